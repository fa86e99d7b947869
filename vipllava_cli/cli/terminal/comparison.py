"""Files of records side by side -> tables, JSON, and a page with the images of what changed."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.html.page import ReportPage, write_page
from vipllava_cli.cli.html.report import cell_text, report_row
from vipllava_cli.cli.html.thumbnails import ThumbnailSpec, thumbnail_spec
from vipllava_cli.cli.terminal.messages import Messages, one_line, safe
from vipllava_cli.flows.evals.compare import Change, Comparison, ResultFile
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.record_file import Json, RecordFile

MAX_SHOWN = 20  # rows of a kind in the terminal; a page and JSON have all

_FACTS = {"id": "Id", "image": "Image", "crop": "Zoomed to"}


def print_comparison(comparison: Comparison) -> None:
    """Print how right each file is, what changed against the first, and the first of these rows."""
    console = Console(highlight=False)
    console.print(_file_table(comparison))
    console.print()
    console.print(_change_table(comparison))
    for change in comparison.changes:
        for kind, ids in _kinds(comparison, change):
            if ids:
                console.print()
                _print_rows(console, comparison, change, kind, ids)


def comparison_as_json(comparison: Comparison) -> Json:
    """The same, with the ids of all rows that changed."""
    return {
        "rows": len(comparison.ids),
        "truth": comparison.column,
        "rows_with_truth": len(comparison.truths),
        "files": [_file_as_json(comparison, file) for file in comparison.files],
        "against_first": [
            {
                "file": str(change.file.path),
                "changed": list(change.changed),
                "right_to_wrong": list(change.regressions),
                "wrong_to_right": list(change.fixes),
                "p_value": change.p_value,
            }
            for change in comparison.changes
        ],
    }


def write_comparison(comparison: Comparison, out: Path, messages: Messages) -> None:
    """Write a page of the rows whose answers changed. Raises InputError."""
    rows, views = _rows(comparison)
    kinds = _named_kinds(comparison)
    page = ReportPage(
        title=" and ".join(file.name for file in comparison.files),
        folder=str(comparison.first.path.parent),
        rows=rows,
        views=views,
        facts=_FACTS,
        skipped_note="; ".join(comparison.notes()),
        kinds=[name for name, _ in kinds],
        counts=list(_counts(comparison)),
    )
    size = write_page(page, out, messages)
    messages.note(f"wrote {out}, {count_noun(len(rows), 'row')} that changed, {size:.1f} MB")


# --- in the terminal ---------------------------------------------------------------------------


def _file_table(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    titles = ("right", "95 %", "of", "failed") if comparison.column else ("rows", "failed")
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("file", overflow="fold")
    table.add_column("model", overflow="fold")
    for file in comparison.files:
        columns = [str(len(comparison.ids)), str(comparison.failed(file) or "")]
        if comparison.column:
            share, low, high = _shares(comparison, file)
            failed = comparison.scores(file).failed
            spread = f"{100 * low:.1f}-{100 * high:.1f}"
            columns = [f"{share:.1%}", spread, str(len(comparison.truths)), str(failed or "")]
        table.add_row(*columns, Text(one_line(file.name)), Text(one_line(file.model)))
    return table


def _change_table(comparison: Comparison) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    titles = ["changed"]
    if comparison.column:
        titles += ["right to wrong", "wrong to right", "p (McNemar)"]
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column(Text(f"against {one_line(comparison.first.name)}"), overflow="fold")
    for change in comparison.changes:
        columns = [str(len(change.changed))]
        if change.p_value is not None:
            columns += [
                str(len(change.regressions)),
                str(len(change.fixes)),
                f"{change.p_value:.3g}",
            ]
        table.add_row(*columns, Text(one_line(change.file.name)))
    return table


def _print_rows(
    console: Console, comparison: Comparison, change: Change, kind: str, ids: Sequence[str]
) -> None:
    console.print(Text(f"{one_line(change.file.name)}, {kind}:"), soft_wrap=True)
    for id in ids[:MAX_SHOWN]:
        truth = comparison.truths.get(id)
        before, after = (_short(file.answer(id)) for file in (comparison.first, change.file))
        wanted = "" if truth is None else f", wanted {_short(truth)}"
        console.print(Text(f"  {one_line(id)}: {before}, then {after}{wanted}"), soft_wrap=True)
    if len(ids) > MAX_SHOWN:
        more = f"  and {len(ids) - MAX_SHOWN} more: all of them with --json or --out"
        console.print(Text(more), soft_wrap=True)


def _short(answer: str | None) -> str:
    if answer is None:
        return "no answer"
    text = one_line(answer)
    return f'"{text}"' if len(text) <= 60 else f'"{text[:59]}…"'


# --- kinds and figures -------------------------------------------------------------------------


def _kinds(comparison: Comparison, change: Change) -> list[tuple[str, Sequence[str]]]:
    """The changed rows in kinds: lost, won and the others; one kind where there is no truth."""
    if not comparison.column:
        return [("changed", change.changed)]
    flipped = {*change.regressions, *change.fixes}
    others = [id for id in change.changed if id not in flipped]
    return [
        ("right to wrong", change.regressions),
        ("wrong to right", change.fixes),
        ("otherwise", others),
    ]


def _named_kinds(comparison: Comparison) -> list[tuple[str, Sequence[str]]]:
    """The kinds of all changes, with the file's name where there are several."""
    several = len(comparison.changes) > 1
    if not comparison.column and not several:
        return []  # all rows of the page are of one kind
    return [
        (f"{change.file.name}: {kind}" if several else kind.capitalize(), ids)
        for change in comparison.changes
        for kind, ids in _kinds(comparison, change)
        if ids
    ]


def _shares(comparison: Comparison, file: ResultFile) -> tuple[float, float, float]:
    """How much is right, and the interval around it."""
    scores = comparison.scores(file)
    return scores.counts[1.0] / scores.counts.total(), *scores.interval()


def _file_as_json(comparison: Comparison, file: ResultFile) -> Json:
    told: Json = {
        "file": str(file.path),
        "model": file.model,
        "rows": len(file.rows),
        "failed": comparison.failed(file),
    }
    if comparison.column:
        share, low, high = _shares(comparison, file)
        told |= {"right": round(share, 4), "low": round(low, 4), "high": round(high, 4)}
    return told


def _counts(comparison: Comparison) -> Iterable[tuple[str, str]]:
    yield "Rows", f"{len(comparison.ids):,}"
    for file in comparison.files if comparison.column else ():
        yield file.name, f"{_shares(comparison, file)[0]:.1%} right"
    for change in comparison.changes:
        several = f" in {change.file.name}" if len(comparison.changes) > 1 else ""
        yield f"Changed{several}", f"{len(change.changed):,}"
        if change.p_value is not None:
            yield f"p (McNemar){several}", f"{change.p_value:.3g}"


# --- rows of the page --------------------------------------------------------------------------


def _rows(comparison: Comparison) -> tuple[list[Json], list[ThumbnailSpec]]:
    """The rows that changed as the page shows them, with the image of the first file's record."""
    wanted = {id for change in comparison.changes for id in change.changed}
    kinds = [(name, set(ids)) for name, ids in _named_kinds(comparison)]
    rows: list[Json] = []
    views: dict[ThumbnailSpec, int] = {}
    for record in RecordFile(comparison.first.path, lambda record: record):
        id: Any = record.get("id")
        if id in wanted:
            number = views.setdefault(thumbnail_spec(record), len(views))
            row = _row(comparison, record)
            row["kinds"] = [name for name, ids in kinds if id in ids]
            rows.append(row | {"thumbnail": number})
    return rows, list(views)


def _row(comparison: Comparison, record: Json) -> Json:
    """What the page shows of a record is that of all files; what only one of them says is left out."""
    id, row = record["id"], report_row(record)
    truth = comparison.truths.get(id)
    answers = [] if truth is None else [["wanted", safe(truth), ""]]
    answers += [
        [safe(file.name), safe(file.answer(id) or ""), _verdict(comparison, file, id)]
        for file in comparison.files
    ]
    return row | {
        "answers": answers,
        "answer": "",
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
    if id not in comparison.truths:
        return ""
    return "right" if comparison.is_correct(file, id) else "wrong"
