"""The fields of structured answers as rows of a comparison: one row for each field of a record."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from vipllava_cli.engine.fields import YES_NO, FieldType
from vipllava_cli.flows.fields.answers import read_number
from vipllava_cli.flows.fields.wording import split_question
from vipllava_cli.storage.record_file import Json
from vipllava_cli.storage.records import field_text

# Stands for the column of the source with the name of the field, which holds its right answers.
FIELD_COLUMN = "the column of its field"

_YES_NO_WORDS = {"true": "yes", "false": "no", "1": "yes", "0": "no", "1.0": "yes", "0.0": "no"}
_NUMBER_TYPES = (FieldType.integer, FieldType.number)


class ComparedField(NamedTuple):
    """A field of a record: its name, its question, and its answer, None in a failed row.

    `type` is one of `FieldType`, None if the record does not tell it.
    """

    name: str
    question: str
    answer: str | None
    type: Any
    choices: Sequence[str]
    is_only: bool

    def id(self, record_id: str) -> str:
        """Return the id of the field's row."""
        return f"{record_id}:{self.name}"

    def target(self, value: Any) -> Any:
        """Return the right answer of this field in a column: of an object, the value of its name.

        Another value is about the field only if the record has no other one.
        """
        if isinstance(value, dict):
            return self.own_target(value.get(self.name))
        return self.own_target(value) if self.is_only else None

    def own_target(self, value: Any) -> Any:
        """Return the right answer in the column of the field, as its answers say it."""
        if self.type in _NUMBER_TYPES and isinstance(value, str):
            number = read_number(value)
            return value if number is None else number
        if not isinstance(value, bool | int | float | str):
            return value
        word = _YES_NO_WORDS.get(str(value).strip().lower())
        return next((choice for choice in self.choices if choice.lower() == word), value)


def compared_fields(record: Json) -> Iterator[ComparedField]:
    """Yield the fields of a record; none of a record without them."""
    options = record.get("options")
    asked = options.get("fields") if isinstance(options, dict) else None
    described = [each for each in asked or () if isinstance(each, dict) and each.get("name")]
    values = record.get("fields") or {}
    fields: dict[str, Json] = {str(each["name"]): each for each in described}
    fields = fields or {name: {} for name in values}
    lines = split_question(str(record.get("question") or ""))
    questions = lines if len(lines) == len(fields) else [""] * len(fields)
    is_failed = bool(record.get("error"))
    for (name, field), question in zip(fields.items(), questions, strict=True):
        value = values.get(name)
        text = field_text(value)
        answer = _YES_NO_WORDS[text] if isinstance(value, bool) else text
        yield ComparedField(
            name,
            question,
            None if is_failed else answer,
            field.get("type"),
            _choices(field),
            len(fields) == 1,
        )


def _choices(field: Json) -> Sequence[str]:
    """Return the choices of a field in a record; those of another program may be anything."""
    if field.get("type") == FieldType.boolean:
        return YES_NO
    choices = field.get("choices")
    return [each for each in choices if isinstance(each, str)] if isinstance(choices, list) else ()
