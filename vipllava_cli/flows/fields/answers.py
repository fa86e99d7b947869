"""The answers to the questions of fields -> one answer with a value for each field."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vipllava_cli.engine.base import Answer
from vipllava_cli.engine.fields import Field, FieldType, FieldValue
from vipllava_cli.flows.evals.scorers import NUMBERS


@dataclass(frozen=True)
class FieldAnswers:
    """The values of the fields by name, and the probability of each choice of those with choices.

    `answer` is the readable form, with the sums of the tokens and seconds.
    """

    answer: Answer
    values: Mapping[str, FieldValue]
    probabilities: Mapping[str, Mapping[str, float]]


def combine_answers(fields: Sequence[Field], answers: Sequence[Answer]) -> FieldAnswers:
    """Combine one answer for each field."""
    pairs = list(zip(fields, answers, strict=True))
    is_cut = any(answer.finish_reason == "length" for answer in answers)
    answer = Answer(
        "; ".join(
            f"{field.name}: {' '.join(answer.text.split())}".rstrip() for field, answer in pairs
        ),
        "length" if is_cut else "stop",
        sum(answer.prompt_tokens for answer in answers),
        sum(answer.answer_tokens for answer in answers),
        sum(answer.seconds for answer in answers),
    )
    return FieldAnswers(
        answer,
        {field.name: field_value(field, answer.text) for field, answer in pairs},
        {
            field.name: {choice.text: choice.probability for choice in answer.choices}
            for field, answer in pairs
            if answer.choices
        },
    )


def field_value(field: Field, text: str) -> FieldValue:
    """Return the value that an answer means: None if it names no number of the field's type."""
    if field.choices:
        return field.value_of(text)
    if field.type is FieldType.text:
        return text
    number = find_number(text)
    if number is None or (field.type is FieldType.integer and not number.is_integer()):
        return None
    return int(number) if number.is_integer() else number


_NUMBER = re.compile(r"(?<![\w.])[-+\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?!\d)")
_MAX_DIGITS = 300  # of a number; a longer one is no finite float


def find_number(text: str) -> float | None:
    """Return the first number in an answer, in digits or as a word; None without one."""
    digits = _NUMBER.search(text)
    if digits and len(digits[0]) <= _MAX_DIGITS:
        return _to_float(digits[0])
    words = (NUMBERS.get(word) for word in re.findall(r"[a-z]+", text.lower()))
    return next((float(word) for word in words if word is not None), None)


def read_number(text: str) -> float | None:
    """Return the number that the digits of a text are, as in `1,000` or `12.50`; None for any other."""
    digits = _NUMBER.fullmatch(text.strip())
    return _to_float(digits[0]) if digits and len(digits[0]) <= _MAX_DIGITS else None


def _to_float(digits: str) -> float:
    return float(digits.replace(",", "").replace("\u2212", "-"))
