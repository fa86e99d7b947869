"""The result of one question as a row of JSON: its schema, and its stable key.

The fields are described in the README; a change of their meaning raises SCHEMA.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vipllava_cli.errors import VipllavaError

SCHEMA = 1


@dataclass(frozen=True)
class Asked:
    """A question about a marked picture and all that decides its answer.

    `id` names the row for people. `key` is the same for the same picture, marks, question, model and
    settings, and empty where the picture or a mark could not be read; then sizes are None.
    """

    id: str
    key: str
    image: str
    width: int | None
    height: int | None
    marks: tuple[Mapping[str, Any], ...]
    numbers: bool
    crop: tuple[int, int, int, int] | None
    question: str
    model: str
    revision: str
    template: str
    options: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """What went wrong with a row: the kind of error, and its one line."""

    type: str
    message: str


def failure(error: Exception) -> Failure:
    """The error as a record keeps it; what is not of our family is a bug, and says so."""
    if isinstance(error, VipllavaError):
        return Failure(type(error).__name__, str(error))
    return Failure("Bug", f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class Record:
    """One question and its answer, with what a person needs to repeat it; or why there is none."""

    asked: Asked
    answer: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    dtype: str | None = None
    device: str | None = None
    seconds: float = 0.0
    error: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """The row with its schema version, ready for `json.dumps`."""
        asked, error = self.asked, self.error
        row: dict[str, Any] = {"schema": SCHEMA}
        row |= {each.name: getattr(asked, each.name) for each in fields(asked)}
        row |= {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        row["marks"] = [dict(mark) for mark in asked.marks]
        row["options"], row["extra"] = dict(asked.options), dict(asked.extra)
        row["error"] = None if error is None else {"type": error.type, "message": error.message}
        return row

    def to_line(self) -> str:
        """The row as one line of JSON, in ASCII: no character of it acts on a terminal."""
        return json.dumps(self.to_json())


def stable_key(**parts: Any) -> str:
    """The same 16 hexadecimal digits for the same picture, marks, question, model and settings."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
