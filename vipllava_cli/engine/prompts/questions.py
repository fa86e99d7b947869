"""A question as typed -> a question as the model reads it: placeholders, control words, notes."""

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

from vipllava_cli.engine.prompts.control_words import Question, drop_image_word, neutralize
from vipllava_cli.engine.prompts.phrases import (
    find_undrawn_mark,
    object_phrase,
    repeated_phrases,
)
from vipllava_cli.engine.prompts.references import MarkNames
from vipllava_cli.errors import UsageError, short_name
from vipllava_cli.marks.colors import NAMED_COLORS
from vipllava_cli.marks.types import Mark

_MAX_LISTED = 20  # columns in a message

_PLACEHOLDER = re.compile(r"\{(?:(?P<number>[0-9]{1,6})|(?P<column>[^\W\d][^{}]{0,60}))\}")


def strip_question(text: str) -> str:
    """Strip surrounding spaces. Raises UsageError for a question without words."""
    words = text.strip()
    if not drop_image_word(words).text:
        raise UsageError("the question is empty: expected words like 'what is in the red box?'")
    return words


def prepare_question(
    text: str,
    marks: Sequence[Mark],
    columns: Mapping[str, Any] | None = None,
    names: MarkNames | None = None,
) -> Question:
    """Fill placeholders, drop `<image>` around the question and neutralize control words.

    `{1}` becomes the phrase for the first mark. It contains the mark's number if another mark has the
    same phrase: see `needs_numbers`. With `columns`, `{label}` and any other name become the row's
    value; without, such text stays as typed. `names` are the words for the marks in another style than
    `drawn`.

    Raises UsageError for an empty question and for a placeholder without a mark or column.
    """
    said = names or MarkNames(marks, (0, 0))
    renamed = said.rename(strip_question(text))
    words = _PLACEHOLDER.sub(lambda match: _fill(match, said, columns), renamed)
    if not words.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in words):
        raise UsageError(
            "the question is not valid text: expected UTF-8, check the terminal's locale or the file"
        )
    dropped = drop_image_word(words)
    question = neutralize(strip_question(dropped.text))
    notes = [*dropped.notes, *question.notes]
    undrawn = find_undrawn_mark(question.text, marks)
    if undrawn:
        drawn = ", ".join(f"{mark.color.name} {mark.shape}" for mark in marks)
        notes.append(f"the question names the {undrawn}, but the marks drawn are: {drawn}")
    return Question(said.introduce(question.text), tuple(notes))


def needs_numbers(texts: Sequence[str], marks: Sequence[Mark]) -> bool:
    """Return whether only numbers beside the marks tell them apart.

    That is so for more marks than there are colours, and for questions with a placeholder of a mark
    that looks like another one.
    """
    repeated = repeated_phrases(marks)
    if not repeated:
        return False
    if len(marks) > len(NAMED_COLORS):
        return True
    numbers = (match["number"] for text in texts for match in _PLACEHOLDER.finditer(text))
    named = {int(number) for number in numbers if number}
    return any(
        number in named and object_phrase(mark) in repeated for number, mark in enumerate(marks, 1)
    )


def _fill(match: re.Match[str], names: MarkNames, columns: Mapping[str, Any] | None) -> str:
    if match["column"]:
        return match[0] if columns is None else _column_value(match["column"], columns)
    number = int(match["number"])
    if not 1 <= number <= len(names.marks):
        count = _placeholders(len(names.marks))
        raise UsageError(f"the question contains {match[0]}, but {count}")
    return names.object(number)


def _placeholders(count: int) -> str:
    """Say how many marks there are, and which placeholders stand for them."""
    if not count:
        return "no mark is drawn; draw one first, for example a box"
    if count == 1:
        return "only 1 mark is drawn; use {1}"
    return f"only {count} marks are drawn; use {{1}} to {{{count}}}"


def _column_value(name: str, columns: Mapping[str, Any]) -> str:
    if name not in columns:
        listed = ", ".join(map(short_name, islice(columns, _MAX_LISTED)))
        more = f" and {len(columns) - _MAX_LISTED} more" if len(columns) > _MAX_LISTED else ""
        available = f"only {listed}{more}" if columns else "no further columns"
        raise UsageError(f"the question contains {{{name}}}, but the row has {available}")
    if columns[name] is None:
        raise UsageError(f"the question contains {{{name}}}, but the row has no {name}")
    return " ".join(str(columns[name]).split())
