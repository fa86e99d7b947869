"""The fields of structured answers as rows of a comparison: one row for each field of a record."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from vipllava_cli.flows.fields.wording import split_question
from vipllava_cli.storage.record_file import Json
from vipllava_cli.storage.records import field_text

# Stands for the column of the source with the name of the field, which holds its right answers.
FIELD_COLUMN = "the column of its field"

_YES_NO = {"true": "yes", "false": "no", "1": "yes", "0": "no"}


class ComparedField(NamedTuple):
    """A field of a record: its name, its question, and its answer, None in a failed row."""

    name: str
    question: str
    answer: str | None
    is_boolean: bool
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
        if not self.is_boolean or not isinstance(value, bool | int | str):
            return value
        return _YES_NO.get(str(value).strip().lower(), value)


def compared_fields(record: Json) -> Iterator[ComparedField]:
    """Yield the fields of a record; none of a record without them."""
    options = record.get("options")
    asked = options.get("fields") if isinstance(options, dict) else None
    described = [each for each in asked or () if isinstance(each, dict) and each.get("name")]
    values = record.get("fields") or {}
    types = {str(each["name"]): each.get("type") for each in described} or dict.fromkeys(values)
    lines = split_question(str(record.get("question") or ""))
    questions = lines if len(lines) == len(types) else [""] * len(types)
    is_failed = bool(record.get("error"))
    for (name, kind), question in zip(types.items(), questions, strict=True):
        value = values.get(name)
        text = field_text(value)
        answer = _YES_NO[text] if isinstance(value, bool) else text
        yield ComparedField(
            name, question, None if is_failed else answer, kind == "boolean", len(types) == 1
        )
