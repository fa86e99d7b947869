"""Checks of the values that a Python program passes: a wrong type is an error of one line.

The parameters are `Any`: annotations do not stop a program without a type checker.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from vipllava_cli.engine.options import (
    MAX_NEW_TOKENS,
    MAX_SEED,
    MAX_TEMPERATURE,
    MIN_TOP_P,
    GenerationOptions,
    TemplateName,
)
from vipllava_cli.engine.prompts.references import Reference, choose_reference
from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.marks.reference_style import AUTO, ReferenceStyle
from vipllava_cli.marks.shapes import Shape

if TYPE_CHECKING:
    from vipllava_cli.engine.base import ModelInfo
    from vipllava_cli.engine.server.opening import ServerOptions

# Name, type, minimum and maximum of each number in GenerationOptions.
_RANGES: tuple[tuple[str, type, float, float], ...] = (
    ("max_new_tokens", int, 1, MAX_NEW_TOKENS),
    ("temperature", float, 0, MAX_TEMPERATURE),
    ("top_p", float, MIN_TOP_P, 1),
    ("seed", int, 0, MAX_SEED),
)


def check_path(path: Any, what: str) -> str:
    """Return a path as text. Raises UsageError for anything but a str or a path object."""
    text = os.fspath(path) if isinstance(path, str | os.PathLike) else None
    if not isinstance(text, str):
        raise UsageError(f"expected text or a path as {what}, found {short_repr(path)}")
    return text


def check_question(question: Any) -> str:
    """Return the question. Raises UsageError if it is not text."""
    if not isinstance(question, str):
        raise UsageError(f"expected text as question, found {short_repr(question)}")
    return question


def check_name(value: Any, names: type[StrEnum], what: str) -> str:
    """Return one of the names. Raises UsageError for any other value."""
    known = [name.value for name in names]
    if value not in known:
        raise UsageError(f"expected one of {', '.join(known)} as {what}, found {short_repr(value)}")
    return str(value)


def check_mark_style(style: Any, info: ModelInfo) -> Reference:
    """Return how questions refer to marks. Raises UsageError."""
    names = (AUTO, *(each.value for each in ReferenceStyle))
    if style not in names:
        raise UsageError(
            f"expected one of {', '.join(names)} as mark_style, found {short_repr(style)}"
        )
    return choose_reference(
        style, info.family, info.name, pads_image=info.pads_image, limits=info.size_limits
    )


def check_generation(template: Any, options: Any) -> None:
    """Check how an answer is made. Raises UsageError."""
    check_name(template, TemplateName, "template")
    if not isinstance(options, GenerationOptions):
        raise UsageError(
            "expected GenerationOptions as options, like GenerationOptions(temperature=0.7),"
            f" found {short_repr(options)}"
        )
    for name, kind, low, high in _RANGES:
        value = getattr(options, name)
        is_number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        if not is_number or not low <= value <= high:
            noun = "an integer" if kind is int else "a number"
            raise UsageError(
                f"expected {noun} from {low} to {high} as {name}, found {short_repr(value)}"
            )


def check_marks(marks: Any) -> list[Any]:
    """Return the marks as a list; None is no marks. Raises InputError if they are no list."""
    if marks is None:
        return []
    if isinstance(marks, Shape | Mapping | str) or not isinstance(marks, Iterable):
        raise InputError(
            f"expected a list of marks, like [Box(10, 20, 110, 220)], found {short_repr(marks)}"
        )
    return list(marks)


def check_rows(rows: Any, batch_size: Any) -> Iterator[Any]:
    """Return an iterator over the rows. Raises UsageError for a single row or a bad batch size."""
    if isinstance(rows, Mapping | str) or not isinstance(rows, Iterable):
        raise UsageError(
            'expected rows like [{"image": "a.jpg", "question": "what is it?"}],'
            f" found {short_repr(rows)}"
        )
    is_count = isinstance(batch_size, int) and not isinstance(batch_size, bool) and batch_size > 0
    if batch_size is not None and not is_count:
        raise UsageError(
            f"expected an integer above 0 or None as batch_size, found {short_repr(batch_size)}"
        )
    return iter(rows)


def check_row(row: Any, number: int, fields: Iterable[str], *, has_fields: bool = False) -> None:
    """Check the fields of a row; `has_fields` is about those of its answer. Raises InputError."""
    if not isinstance(row, Mapping):
        raise InputError(
            f'row {number}: expected a dict like {{"image": "a.jpg", "question": "what is it?"}},'
            f" found {short_repr(row)}"
        )
    if has_fields and "image" not in row:
        raise InputError(f"row {number} needs an image")
    given = next((name for name in ("question", "choices") if has_fields and name in row), None)
    if given:
        raise InputError(f"row {number} has a {given}, which the fields replace: remove it")
    if not has_fields and ("image" not in row or "question" not in row):
        raise InputError(f"row {number} needs an image and a question")
    unknown = [name for name in row if name not in fields]
    if unknown:
        raise InputError(
            f"row {number} has an unknown field {short_repr(unknown[0])}:"
            f" the fields of a row are {', '.join(fields)}"
        )


def check_server_options(
    parallel: int | None, timeout: float | None, check_images: bool | None
) -> ServerOptions:
    """Return the options for a server. Raises UsageError."""
    from vipllava_cli.engine.server.opening import DEFAULTS

    chosen = DEFAULTS
    if parallel is not None:
        if type(parallel) is not int or not 1 <= parallel <= 256:
            raise UsageError(f"parallel is a number from 1 to 256, not {short_repr(parallel)}")
        chosen = replace(chosen, parallel=parallel)
    if timeout is not None:
        if type(timeout) not in (int, float) or not 0.1 <= timeout <= 3600:
            raise UsageError(
                f"timeout is a number of seconds from 0.1 to 3600, not {short_repr(timeout)}"
            )
        chosen = replace(chosen, timeout=float(timeout))
    return chosen if check_images is None else replace(chosen, checks_images=bool(check_images))
