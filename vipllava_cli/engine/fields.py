"""The fields of a structured answer: a name, a question, and what values the answer may take."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

FieldValue: TypeAlias = str | int | float | bool | None

YES_NO = ("yes", "no")


class FieldType(StrEnum):
    """What a field holds. `choice` is one of its choices; `boolean` is yes or no."""

    choice = "choice"
    text = "text"
    integer = "integer"
    number = "number"
    boolean = "boolean"


@dataclass(frozen=True)
class Field:
    """One field of a structured answer.

    `question` is None for the default wording, which says `title` in place of the name if there is
    one. `choices` are the answers that are scored, and `values` what each of them means; without
    choices the model generates the answer.
    """

    name: str
    type: FieldType
    question: str | None = None
    choices: tuple[str, ...] = ()
    values: tuple[FieldValue, ...] = ()
    title: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return what decides the answer, for records and keys, beside the question as asked."""
        row: dict[str, Any] = {"name": self.name, "type": self.type.value}
        if self.choices:
            row["choices"] = list(self.choices)
        return row

    def value_of(self, choice: str) -> FieldValue:
        """Return the value that a choice means."""
        return self.values[self.choices.index(choice)]


def boolean_field(name: str, question: str | None = None, title: str | None = None) -> Field:
    """Make a field that is true for the answer yes."""
    return Field(name, FieldType.boolean, question, YES_NO, (True, False), title)
