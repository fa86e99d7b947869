"""`eval` with `--mark-style all`: one benchmark in every mark style."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.engine.prompts.references import Reference
from vipllava_cli.flows.evals.metrics import COUNT, FAILED, INTERVAL, format_interval
from vipllava_cli.flows.evals.output_files import check_run_folder, format_share
from vipllava_cli.flows.evals.run import Evaluation, score_results
from vipllava_cli.flows.evals.style_scores import STARTS, write_style_scores
from vipllava_cli.marks.reference_style import ReferenceStyle


def evaluate_styles(
    references: Mapping[ReferenceStyle, Reference],
    folder: Path,
    answer: Callable[[Reference, Path], Evaluation],
    messages: Messages,
    *,
    csv_safe: bool,
) -> dict[str, Evaluation]:
    """Answer and score the same rows in each style, in a folder of its own. Raises InputError."""
    check_run_folder(folder, starts=STARTS)
    scores: dict[str, Evaluation] = {}
    for number, (style, reference) in enumerate(references.items(), 1):
        messages.note(f"mark style {style.value}, {number} of {len(references)}")
        evaluation = answer(reference, folder / style.value)
        evaluation.csv_safe = csv_safe
        score_results(evaluation)
        scores[style.value] = evaluation
    write_style_scores(folder, scores)
    return scores


def print_style_scores(scores: Mapping[str, Evaluation]) -> None:
    """Print the overall score of each style, one line for each."""
    first = next(iter(scores.values()))
    several = len({metric.scorer for metric in first.metrics}) > 1
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column(Text("mark style"))
    for title in (first.benchmark.measure, INTERVAL, COUNT, FAILED):
        table.add_column(Text(title), justify="right")
    for style, evaluation in scores.items():
        for metric in evaluation.metrics:
            if (metric.kind, metric.group) == first.benchmark.overall:
                table.add_row(
                    Text(one_line(f"{style}, {metric.scorer}" if several else style)),
                    format_share(metric.score),
                    format_interval(metric.low, metric.high),
                    str(metric.count),
                    str(metric.failed or ""),
                )
    Console(highlight=False).print(table)
