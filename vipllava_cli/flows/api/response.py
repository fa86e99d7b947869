"""Answers as the API gives them, and records read from files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vipllava_cli.engine.fields import FieldValue
from vipllava_cli.flows.api.checks import check_path
from vipllava_cli.storage.record_file import RecordFile
from vipllava_cli.storage.records import Record


@dataclass(frozen=True)
class Response:
    """An answer.

    Attributes:
        text: The answer; empty if the row failed.
        finish_reason: `stop`, `length` (cut at `max_new_tokens`) or `error`.
        fields: The value of each field; empty without fields.
        field_probabilities: The probability of each choice, for fields with choices.
        marks: The marks that the answer points at, in pixels of the upright image, as dicts that
            `marks` of the next question takes.
        record: The complete record as a dict, as `vipllava batch` writes it.
        notes: Notes for the user, for example that a mark was clipped.
        error: Why a row of a batch failed; None if it has an answer.

    """

    text: str
    finish_reason: str
    record: dict[str, Any]
    notes: tuple[str, ...] = ()
    error: str | None = None
    fields: dict[str, FieldValue] = field(default_factory=dict)
    field_probabilities: dict[str, dict[str, float]] = field(default_factory=dict)
    marks: tuple[dict[str, Any], ...] = ()


def to_response(record: Record, notes: Sequence[str] = ()) -> Response:
    """Convert a record to a response."""
    return Response(
        text=record.answer or "",
        finish_reason=record.finish_reason or "error",
        record=record.to_json(),
        notes=tuple(filter(None, (*notes, record.note))),
        error=record.error.message if record.error else None,
        fields=dict(record.fields or {}),
        field_probabilities={
            name: dict(choices) for name, choices in (record.field_probabilities or {}).items()
        },
        marks=tuple(map(dict, record.answer_marks or ())),
    )


def read_records(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """Read the records of `vipllava batch`, `ask --json` or `eval`, one dict each.

    Skips lines that are not records. Raises InputError for a file without any record, and
    UsageError for a `path` that is neither text nor a path object.
    """
    return iter(RecordFile(Path(check_path(path, "path")), lambda record: record))
