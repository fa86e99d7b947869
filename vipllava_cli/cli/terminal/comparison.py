"""Print a comparison of result files as tables, or format it as JSON."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.labels import labels_to_json, number_table, print_labels
from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.flows.evals.compare import Change, Comparison
from vipllava_cli.flows.evals.confusions import count_labels
from vipllava_cli.flows.evals.metrics import ACCURACY, COUNT, FAILED, INTERVAL, format_interval
from vipllava_cli.flows.evals.result_files import ResultFile
from vipllava_cli.storage.record_file import Json

MAX_ROWS = 20  # printed for each kind


def print_comparison(comparison: Comparison, *, is_complete: bool) -> None:
    """Print the accuracy of each file, then the changes; of one file, its labels and wrong answers.

    Unless it is complete, only the first rows of each kind are printed.
    """
    console = Console(highlight=False)
    console.print(_file_table(comparison))
    if not comparison.changes:
        labels = count_labels(comparison, comparison.first)
        print_labels(console, labels, is_complete=is_complete)
        return
    console.print()
    console.print(_change_table(comparison))
    for change in comparison.changes:
        for kind, ids in change.kinds():
            if ids:
                console.print()
                max_rows = len(ids) if is_complete else MAX_ROWS
                _print_rows(console, comparison, change, kind, ids, max_rows)


def comparison_to_json(comparison: Comparison) -> Json:
    """Format the same figures, with all labels and the ids of all changed rows."""
    has_rule = comparison.scorer is None and comparison.column is not None
    return {
        "rows": len(comparison.ids),
        "truth": comparison.column,
        "rows_with_truth": len(comparison.truths),
        "normalization": list(comparison.rule.ignored) if has_rule else None,
        "scorer": comparison.scorer,
        "files": [_file_to_json(comparison, file) for file in comparison.files],
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


def _file_to_json(comparison: Comparison, file: ResultFile) -> Json:
    row: Json = {
        "file": str(file.path),
        "model": file.model,
        "rows": len(file.rows),
        "failed": comparison.failed(file),
    }
    if comparison.is_scored:
        share, low, high = comparison.right_share(file)
        row |= {"right": round(share, 4), "low": round(low, 4), "high": round(high, 4)}
    if comparison.scorer is not None:
        row["score"] = round(comparison.mean_score(file), 4)
    if comparison.truths:
        row |= labels_to_json(count_labels(comparison, file))
    return row


# --- tables ----------------------------------------------------------------------------------


def _file_table(comparison: Comparison) -> Table:
    has_scores = comparison.has_partial_scores
    titles = [ACCURACY, INTERVAL, COUNT] if comparison.is_scored else [COUNT]
    table = number_table([*titles, *(["score"] if has_scores else []), FAILED])
    table.add_column("file", overflow="fold")
    table.add_column("model", overflow="fold")
    for file in comparison.files:
        cells = _file_cells(comparison, file)
        if has_scores:
            cells.insert(-1, f"{comparison.mean_score(file):.1%}")
        table.add_row(*cells, Text(one_line(file.name)), Text(one_line(file.model)))
    return table


def _file_cells(comparison: Comparison, file: ResultFile) -> list[str]:
    if not comparison.is_scored:
        return [str(len(comparison.ids)), str(comparison.failed(file) or "")]
    share, low, high = comparison.right_share(file)
    counts = comparison.right_counts(file)
    cells = [f"{share:.1%}", format_interval(low, high), str(counts.counts.total())]
    return [*cells, str(counts.failed or "")]


def _change_table(comparison: Comparison) -> Table:
    titles = ["changed"]
    if comparison.is_scored:
        titles += ["right to wrong", "wrong to right", "p (McNemar)"]
    table = number_table(titles)
    table.add_column(Text(f"against {one_line(comparison.first.name)}"), overflow="fold")
    for change in comparison.changes:
        cells = [str(len(change.changed))]
        if change.p_value is not None:
            cells += [
                str(len(change.regressions)),
                str(len(change.fixes)),
                f"{change.p_value:.3g}",
            ]
        table.add_row(*cells, Text(one_line(change.file.name)))
    return table


def _print_rows(
    console: Console,
    comparison: Comparison,
    change: Change,
    kind: str,
    ids: Sequence[str],
    max_rows: int,
) -> None:
    console.print(Text(f"{one_line(change.file.name)}, {kind}:"), soft_wrap=True)
    for id in ids[:max_rows]:
        truth = comparison.truths.get(id)
        before, after = (_quote(file.answer(id)) for file in (comparison.first, change.file))
        expected = "" if truth is None else f", expected {_quote(truth)}"
        console.print(Text(f"  {one_line(id)}: {before}, then {after}{expected}"), soft_wrap=True)
    if len(ids) > max_rows:
        more = f"  and {len(ids) - max_rows} more: see all with -v, --json or --out"
        console.print(Text(more), soft_wrap=True)


def _quote(answer: str | None) -> str:
    if answer is None:
        return "no answer"
    text = one_line(answer)
    return f'"{text}"' if len(text) <= 60 else f'"{text[:59]}…"'
