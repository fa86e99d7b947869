"""Figures of a benchmark as tables."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.flows.evals.metrics import Metric, models_of


def score_tables(metrics: Sequence[Metric]) -> None:
    """Print a table for each thing that answers are grouped by, percents with their intervals."""
    console = Console(highlight=False)
    several = len({metric.rule for metric in metrics}) > 1
    for (rule, what), some in groupby(metrics, key=lambda metric: (metric.rule, metric.what)):
        group = list(some)
        models = models_of(group)
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column(f"{what}, {rule}" if several else what, overflow="fold")
        for title in ("right", "95 %", "of", "failed", *models):
            table.add_column(title, justify="right", no_wrap=title not in models)
        for metric in group:
            table.add_row(
                Text(one_line(metric.group)),
                f"{metric.right:.1%}",
                f"{100 * metric.low:.1f}-{100 * metric.high:.1f}",
                str(metric.of),
                str(metric.failed or ""),
                *(str(metric.published.get(model, "")) for model in models),
            )
        console.print(table)
        console.print()
