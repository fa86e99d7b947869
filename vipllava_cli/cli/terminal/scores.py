"""Print the metrics of a benchmark: a line about all of it, then tables."""

from collections.abc import Sequence
from itertools import groupby

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.flows.evals.benchmark import Benchmark
from vipllava_cli.flows.evals.metrics import (
    COUNT,
    FAILED,
    INTERVAL,
    UNGRADED,
    Metric,
    format_interval,
)
from vipllava_cli.flows.evals.output_files import (
    format_share,
    overall_lines,
    published_models,
)

MAX_GROUPS = 60  # of a kind in a table; the files have all of them


def print_scores(metrics: Sequence[Metric], benchmark: Benchmark) -> None:
    """Print the overall score, then a table for each scorer and kind of group.

    A table that holds nothing but the overall score is left out. One of many groups is a line that
    names the file.
    """
    console = Console(highlight=False)
    for line in overall_lines(metrics, benchmark):
        console.print(Text(one_line(line)), soft_wrap=True)
    has_ungraded = any(metric.ungraded for metric in metrics)
    several = len({metric.scorer for metric in metrics}) > 1
    for (scorer, kind), some in groupby(metrics, key=lambda metric: (metric.scorer, metric.kind)):
        rows = list(some)
        models = published_models(rows)
        if not models and [(row.kind, row.group) for row in rows] == [benchmark.overall]:
            continue
        heading = f"{kind}, {scorer}" if several else kind
        if len(rows) > MAX_GROUPS:
            console.print()
            line = one_line(f"{heading}: {len(rows)} groups, all in scores.csv and scores.json")
            console.print(Text(line), soft_wrap=True)
            continue
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column(Text(one_line(heading)), overflow="fold")
        ungraded = (UNGRADED,) if has_ungraded else ()
        for title in (benchmark.measure, INTERVAL, COUNT, FAILED, *ungraded, *models):
            table.add_column(Text(one_line(title)), justify="right", no_wrap=title not in models)
        for metric in rows:
            table.add_row(
                Text(one_line(metric.group)),
                format_share(metric.score),
                format_interval(metric.low, metric.high),
                str(metric.count),
                str(metric.failed or ""),
                *(str(metric.ungraded or "") for _ in ungraded),
                *(str(metric.published.get(model, "")) for model in models),
            )
        console.print()
        console.print(table)
