"""The result of one question as a row of JSON: its schema, and its stable key.

The fields are described in the README; a change of their meaning raises SCHEMA.
"""

import hashlib
import json
from dataclasses import dataclass, fields
from typing import Any

SCHEMA = 1


@dataclass(frozen=True)
class Failure:
    """What went wrong with a row: the family member's name and its one line."""

    type: str
    message: str


@dataclass(frozen=True)
class Record:
    """One question and its answer, with what a person needs to repeat it."""

    id: str
    image: str
    width: int
    height: int
    marks: tuple[dict[str, Any], ...]
    numbers: bool
    crop: tuple[int, int, int, int] | None
    question: str
    answer: str
    finish_reason: str
    prompt_tokens: int
    answer_tokens: int
    model: str
    revision: str
    template: str
    options: dict[str, Any]
    dtype: str
    device: str
    seconds: float
    error: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """The row with its schema version, ready for `json.dumps`."""
        row: dict[str, Any] = {"schema": SCHEMA}
        row.update((field.name, getattr(self, field.name)) for field in fields(self))
        row["marks"] = list(self.marks)
        row["crop"] = None if self.crop is None else list(self.crop)
        row["error"] = (
            None if self.error is None else {"type": self.error.type, "message": self.error.message}
        )
        return row

    def to_line(self) -> str:
        """The row as one line of JSON, in ASCII: no character of it acts on a terminal."""
        return json.dumps(self.to_json())


def stable_key(**parts: Any) -> str:
    """The same 16 hexadecimal digits for the same picture, marks, question, model and settings."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
