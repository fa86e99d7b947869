"""Records -> the rows of an HTML page, and the page of a record file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.cli.html.page import ReportPage, write_page
from vipllava_cli.cli.html.thumbnails import ThumbnailSpec, thumbnail_spec
from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import display_name
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.outputs import OutputKind, check_output, is_page_of
from vipllava_cli.storage.record_file import Json, RecordFile


def write_report(results: Path, out: Path, *, force: bool, messages: Messages) -> int:
    """Write the page of a record file, or of standard input for `-`. Returns the number of rows.

    Raises InputError, UsageError.
    """
    if out.exists() and results.exists() and out.samefile(results):
        raise UsageError(f"{out} is the record file itself: give the page another name with -o")
    check_output(str(out), OutputKind.page, force=force or is_page_of(out, results))
    records = RecordFile(results, lambda record: (report_row(record), thumbnail_spec(record)))
    rows: list[Json] = []
    views: dict[ThumbnailSpec, int] = {}
    for row, view in records:
        rows.append(row | {"thumbnail": views.setdefault(view, len(views))})
    if records.skipped_note:
        messages.note(records.skipped_note)
    page = ReportPage(
        records.title,
        str(results.parent),
        rows,
        list(views),
        FACTS,
        records.skipped_note,
        records=results,
    )
    size = write_page(page, out, messages)
    messages.note(f"wrote {out}, {count_noun(len(rows), 'row')}, {size:.1f} MB")
    return len(rows)


# --- rows ------------------------------------------------------------------------------------

FACTS: Mapping[str, str] = {
    "id": "Id",
    "image": "Image",
    "crop": "Zoomed to",
    "mark_style": "Mark style",
    "revision": "Revision",
    "template": "Template",
    "options": "Options",
    "dtype": "Precision",
    "device": "Device",
    "prompt_tokens": "Prompt tokens",
    "answer_tokens": "Answer tokens",
    "finish_reason": "Ended by",
    "key": "Key",
}


def _short_name(image: str) -> str:
    """Return the end of a path. A `data:` address, which has no name, stays whole."""
    if is_data_address(image):
        return image
    return image.replace("\\", "/").rstrip("/").rpartition("/")[2] or image


def report_row(record: Json) -> Json:
    """Convert a record to a row of the page, as text without control characters."""
    error, seconds = record.get("error"), record.get("seconds")
    image = display_name(record["image"])
    record = {**record, "image": image}
    return {
        "id": cell_text(record.get("id")),
        "image": safe(image),
        "name": safe(_short_name(image)),  # an escape has a backslash, which separates folders
        "question": cell_text(record.get("question")),
        "answer": cell_text(record.get("answer")),
        "fields": _fields(record),
        "error": None
        if error is None
        else [cell_text(error.get(key)) for key in ("type", "message")],
        "cut": record.get("finish_reason") == "length",
        "seconds": seconds if _is_duration(seconds) else None,
        "marks": [_mark(mark) for mark in record["marks"]],
        "answerMarks": [_mark(mark) for mark in record.get("answer_marks") or ()],
        "model": cell_text(record.get("model")),
        "extra": [
            [safe(name), cell_text(value)] for name, value in (record.get("extra") or {}).items()
        ],
        "facts": [cell_text(record.get(name) or None) for name in FACTS],
    }


def _fields(record: Json) -> list[Json]:
    """Return the fields of a record: name, value, its probability, and those of all choices."""
    choices_of = record.get("field_probabilities") or {}
    rows: list[Json] = []
    for name, value in (record.get("fields") or {}).items():
        given = choices_of.get(name)
        choices = {
            safe(choice): probability
            for choice, probability in (given if isinstance(given, dict) else {}).items()
            if _is_duration(probability)
        }
        rows.append(
            {
                "name": safe(name),
                "value": cell_text(value),
                "probability": max(choices.values(), default=None),
                "choices": sorted(choices.items(), key=lambda choice: -choice[1]),
            }
        )
    return rows


def cell_text(value: Any) -> str:
    """Format a JSON value as safe text: text stays, null is empty, other values are JSON."""
    if value is None:
        return ""
    return safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _is_duration(value: Any) -> bool:
    """Return whether a value is a number to sort by. Python reads `NaN` and `1e999`, browsers do not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _mark(mark: Any) -> Json:
    """Convert a mark to its name, its colour for a swatch, and its label."""
    try:
        spec = mark_from_json(mark)
    except InputError:
        return {"words": "invalid mark", "color": "", "label": ""}
    if spec.color is None:
        return {"words": spec.shape, "color": "", "label": cell_text(spec.label)}
    return {
        "words": f"{spec.color.name} {spec.shape}",
        "color": "#{:02x}{:02x}{:02x}".format(*spec.color.rgb),
        "label": cell_text(spec.label),
    }
