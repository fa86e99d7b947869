"""Parse and check the choices of the command line or a manifest."""

import json
from typing import Any

from vipllava_cli.engine.prompts.control_words import neutralize
from vipllava_cli.errors import InputError, short_repr

_EXAMPLE = '"cat,dog" or ["cat", "dog"]'


def parse_choices(text: str) -> tuple[str, ...]:
    """Parse `cat,dog` or a JSON list, which may contain commas. Raises InputError."""
    try:
        values = json.loads(text) if text.lstrip().startswith("[") else text.split(",")
    except ValueError:
        raise InputError(f"{_expected(_EXAMPLE)}: {short_repr(text)} is not a JSON list") from None
    return check_choices(values)


def check_choices(values: Any, example: str = _EXAMPLE) -> tuple[str, ...]:
    """Check a list of two or more different answers without control words.

    Raises InputError, which shows the example.
    """
    expected = _expected(example)
    if not isinstance(values, list):
        raise InputError(f"{expected}, not {short_repr(values)}")
    if not all(isinstance(choice, str) and choice.strip() for choice in values):
        raise InputError(f"{expected}: one of {short_repr(values)} is empty or not text")
    choices = tuple(choice.strip() for choice in values)
    if len(set(choices)) < max(len(choices), 2):
        raise InputError(f"{expected}, found {short_repr(values)}")
    for choice in choices:
        if neutralize(choice).notes:
            raise InputError(
                f"{short_repr(choice)} contains a control word of the model: remove it"
            )
    return choices


def _expected(example: str) -> str:
    return f"choices are two or more different answers, like {example}"
