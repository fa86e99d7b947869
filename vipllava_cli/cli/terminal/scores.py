"""Print the metrics of a benchmark as tables."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.flows.evals.metrics import Metric
from vipllava_cli.flows.evals.output_files import published_models


def print_scores(metrics: Sequence[Metric]) -> None:
    """Print a table for each scorer and kind of group: percentages with their intervals."""
    console = Console(highlight=False)
    several = len({metric.scorer for metric in metrics}) > 1
    for (scorer, kind), some in groupby(metrics, key=lambda metric: (metric.scorer, metric.kind)):
        rows = list(some)
        models = published_models(rows)
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column(f"{kind}, {scorer}" if several else kind, overflow="fold")
        for title in ("right", "95 %", "of", "failed", *models):
            table.add_column(title, justify="right", no_wrap=title not in models)
        for metric in rows:
            table.add_row(
                Text(one_line(metric.group)),
                f"{metric.score:.1%}",
                f"{100 * metric.low:.1f}-{100 * metric.high:.1f}",
                str(metric.count),
                str(metric.failed or ""),
                *(str(metric.published.get(model, "")) for model in models),
            )
        console.print(table)
        console.print()
