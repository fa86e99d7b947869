"""The HTML page of a comparison: the rows that changed, or the wrong rows of one file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from vipllava_cli.cli.html.page import ReportPage, write_page
from vipllava_cli.cli.html.report import cell_text, report_row
from vipllava_cli.cli.html.thumbnails import ThumbnailSpec, thumbnail_spec
from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.flows.evals.compare import Comparison
from vipllava_cli.flows.evals.compared_fields import compared_fields
from vipllava_cli.flows.evals.metrics import ACCURACY, INTERVAL, format_interval
from vipllava_cli.flows.evals.result_files import ResultFile
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.record_file import Json, RecordFile

_FACTS = {"id": "Id", "image": "Image", "crop": "Zoomed to"}


def write_comparison(comparison: Comparison, out: Path, messages: Messages) -> None:
    """Write a page of the rows whose answers changed, or are wrong. Raises InputError."""
    rows, views = _shown_rows(comparison)
    page = ReportPage(
        title=" and ".join(file.name for file in comparison.files),
        folder=str(comparison.first.path.parent),
        rows=rows,
        views=views,
        facts=_FACTS,
        skipped_note="; ".join(comparison.notes()),
        kinds=[name for name, _ in comparison.named_kinds()],
        counts=list(_counts(comparison)),
    )
    size = write_page(page, out, messages)
    content = count_noun(len(rows), "row") + (
        " that changed" if comparison.changes else " with a wrong answer"
    )
    messages.note(f"wrote {out}, {content}, {size:.1f} MB")


def _counts(comparison: Comparison) -> Iterable[tuple[str, str]]:
    """Yield the figures at the top of the page."""
    yield "Rows", f"{len(comparison.ids):,}"
    for file in comparison.files if comparison.is_scored else ():
        share, low, high = comparison.right_share(file)
        interval = format_interval(low, high)
        yield file.name, f"{ACCURACY} {share:.1%}, {INTERVAL} {interval}"
    for change in comparison.changes:
        where = f" in {change.file.name}" if len(comparison.changes) > 1 else ""
        yield f"Changed{where}", f"{len(change.changed):,}"
        if change.p_value is not None:
            yield f"p (McNemar){where}", f"{change.p_value:.3g}"


def _shown_rows(comparison: Comparison) -> tuple[list[Json], list[ThumbnailSpec]]:
    """Return the changed or wrong rows as the page shows them, and their images in the first file."""
    shown = {id for change in comparison.changes for id in change.changed}
    if not comparison.changes:
        shown.update(comparison.wrong_ids)
    kinds = [(name, set(ids)) for name, ids in comparison.named_kinds()]
    rows: list[Json] = []
    views: dict[ThumbnailSpec, int] = {}
    for record in RecordFile(comparison.first.path, lambda record: record):
        for id, question in _row_ids(record):
            if id not in shown:
                continue
            number = views.setdefault(thumbnail_spec(record), len(views))
            row = _row(comparison, record | {"id": id, "question": question})
            row["kinds"] = [name for name, ids in kinds if id in ids]
            rows.append(row | {"thumbnail": number})
    return rows, list(views)


def _row_ids(record: Json) -> list[tuple[Any, Any]]:
    """Return the id and the question of a record's row, or of the row of each of its fields."""
    fields = [(field.id(str(record["id"])), field.question) for field in compared_fields(record)]
    return fields or [(record.get("id"), record.get("question"))]


def _row(comparison: Comparison, record: Json) -> Json:
    """Return a row with the answers of all files, without facts that belong to one file only."""
    id, row = record["id"], report_row(record)
    truth = comparison.truths.get(id)
    answers = [] if truth is None else [["expected", safe(truth), ""]]
    answers += [
        [safe(file.name), safe(file.answer(id) or ""), _verdict(comparison, file, id)]
        for file in comparison.files
    ]
    return row | {
        "answers": answers,
        "answer": "",
        "fields": [],
        "error": None,
        "cut": False,
        "seconds": None,
        "model": "",
        "extra": [],
        "facts": [cell_text(record.get(name) or None) for name in _FACTS],
    }


def _verdict(comparison: Comparison, file: ResultFile, id: str) -> str:
    if file.answer(id) is None:
        return "failed"
    if id not in comparison.scored_ids:
        return ""
    return "right" if comparison.is_correct(file, id) else "wrong"
