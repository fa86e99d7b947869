"""Regular expressions of a tokenizer.json: those that cannot backtrack much."""

from typing import Any

import pytest

from vipllava_cli.engine.hub.checks.tokenizer import check_tokenizer
from vipllava_cli.errors import ModelError


def tokenizer(pattern: str) -> dict[str, Any]:
    """Return a tokenizer that splits texts by a regular expression."""
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    return {"pre_tokenizer": split, "model": model}


@pytest.mark.parametrize(
    "pattern",
    [
        r"\s+",
        r"\p{N}{1,3}",
        r"\w+|[^\w\s]+",
        r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+",
        r"[\r\n]|[^\s|]+",
    ],
)
def test_choices_of_character_classes_are_accepted(pattern: str) -> None:
    check_tokenizer(tokenizer(pattern), 1, "model")


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+",
        r"a+b",
        r"\w+\w+",
        r"a*b|c",
        r"(?:a|b)*",
        r"a{1,50}b",
        r".*x",
        r"\w+$",
        r"(a)\1",
        r"a|",
    ],
)
def test_a_pattern_that_may_match_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ModelError, match="regular expression"):
        check_tokenizer(tokenizer(pattern), 1, "model")
