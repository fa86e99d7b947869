"""The files of a benchmark's run besides the records: scores and predictions."""

import csv
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import StringIO
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.benchmark import Benchmark
from vipllava_cli.flows.evals.dataset import MAX_DATA_BYTES
from vipllava_cli.flows.evals.metrics import (
    COUNT,
    FAILED,
    INTERVAL,
    UNGRADED,
    Metric,
    format_interval,
)
from vipllava_cli.storage.csv_cells import text_cell
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.json_files import read_json
from vipllava_cli.storage.outputs import check_not_input, check_writable
from vipllava_cli.storage.record_file import RECORDS_NAME

SCORES_NAME = "scores.json"
PREDICTIONS_NAME = "predictions.json"
STYLES_NAME = "styles.json"  # of a run in all mark styles

# Key in scores.json -> the attribute of a metric.
_JSON_KEYS: Mapping[str, str] = {
    "rule": "scorer",
    "what": "kind",
    "group": "group",
    "right": "score",
    "of": "count",
    "failed": "failed",
    "low": "low",
    "high": "high",
    "published": "published",
    UNGRADED: "ungraded",
}
_CSV_COLUMNS = ("rule", "what", "group", "right", "low", "high", "of", "failed")


def write_scores(
    folder: Path,
    metrics: Sequence[Metric],
    facts: Mapping[str, Any],
    benchmark: Benchmark,
    *,
    csv_safe: bool = False,
) -> None:
    """Write `scores.json`, `scores.csv` and `scores.md`. Raises InputError.

    `facts` describe the run: benchmark, model, options.
    """
    heading = f"{facts['benchmark']}, {facts.get('model') or facts['predictions']}"
    texts = {
        SCORES_NAME: format_json(metrics, facts),
        "scores.csv": format_csv(metrics, csv_safe=csv_safe),
        "scores.md": format_markdown(metrics, heading, facts, benchmark),
    }
    for name, text in texts.items():
        write_text(folder / name, text)


def write_predictions(folder: Path, predictions: Mapping[str, str]) -> Path:
    """Write `predictions.json`, one object of answers by id. Returns its path. Raises InputError."""
    path = folder / PREDICTIONS_NAME
    write_text(path, json.dumps(predictions, indent=1) + "\n")
    return path


def check_run_folder(
    folder: Path, inputs: Sequence[Path] = (), starts: Mapping[str, bytes] | None = None
) -> None:
    """Check that a run replaces no file in its folder that no run made. Raises InputError.

    `inputs` are the stored predictions, if the run has no answers of its own. `starts` says how each
    of its files starts, if it writes others than the scores of one run.
    """
    has_records = (
        folder / RECORDS_NAME
    ).exists()  # scores beside them belong to a run, even if damaged
    for name, start in (_STARTS if starts is None else starts).items():
        path = folder / name
        check_not_input(map(str, inputs), str(path))
        if not os.path.lexists(path):
            continue
        check_writable(str(path))
        with suppress(FileNotFoundError), path.open("rb") as file:  # a link that leads nowhere
            if not has_records and not file.read(len(start)).startswith(start):
                raise _foreign(path)
    predictions = folder / PREDICTIONS_NAME
    if starts is None and os.path.lexists(predictions) and not (inputs or has_records):
        raise _foreign(predictions)


def _foreign(path: Path) -> InputError:
    return InputError(f"{path} exists, and no run of eval made it: move it, or give another --out")


def read_predictions(file: Path) -> dict[str, str]:
    """Read a file that `write_predictions` or another tool wrote. Raises InputError."""
    try:
        predictions = read_json(file, MAX_DATA_BYTES)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from None
    except ValueError:
        predictions = None
    if not isinstance(predictions, dict):
        raise InputError(
            f'{file} does not hold predictions: expected one JSON object, {{"v1_0": "…", …}}'
        )
    for id, text in predictions.items():
        if not isinstance(text, str):
            raise InputError(
                f"{file}: the prediction of {short_repr(id)} is {short_repr(text)}: expected a text;"
                " leave out questions without an answer"
            )
    return predictions


# The files of a run -> how each starts.
_STARTS: Mapping[str, bytes] = {
    SCORES_NAME: b'{\n  "benchmark"',
    "scores.csv": ",".join(_CSV_COLUMNS[:4]).encode(),
    "scores.md": b"# ",
}

# Files of a run that a folder of data may also hold, if the run keeps its files there.
RUN_NAMES = (*_STARTS, PREDICTIONS_NAME, STYLES_NAME)


def remove_scores(folder: Path) -> None:
    """Remove the scores and predictions of a run, before another one takes its place."""
    for name in (*_STARTS, PREDICTIONS_NAME):
        (folder / name).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a file of a run atomically. Raises InputError."""
    with atomic_file(str(path)) as file:
        file.write(text.encode())


# --- formats ---------------------------------------------------------------------------------


def format_json(metrics: Sequence[Metric], facts: Mapping[str, Any]) -> str:
    """Format the object of `scores_to_json` as indented text."""
    return json.dumps(scores_to_json(metrics, facts), indent=2) + "\n"


def scores_to_json(metrics: Sequence[Metric], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts and the metrics as one JSON object. Scores have four decimals."""
    figures = [
        {key: _rounded(getattr(metric, name)) for key, name in _JSON_KEYS.items()}
        for metric in metrics
    ]
    if UNGRADED not in facts:  # a benchmark without a judge
        for figure in figures:
            del figure[UNGRADED]
    return {**facts, "figures": figures}


def format_csv(metrics: Sequence[Metric], *, csv_safe: bool = False) -> str:
    """Format one line for each metric. Percentages have two decimals."""
    cell = text_cell if csv_safe else str
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    models = published_models(metrics)
    ungraded = _ungraded_column(metrics)
    lines.writerow([*_CSV_COLUMNS, *map(cell, models), *ungraded])
    for metric in metrics:
        scores = [_percent(share, 2) for share in (metric.score, metric.low, metric.high)]
        published = [metric.published.get(model, "") for model in models]
        counts = [metric.count, metric.failed]
        lines.writerow(
            [
                metric.scorer,
                cell(metric.kind),
                cell(metric.group),
                *scores,
                *counts,
                *published,
                *(metric.ungraded for _ in ungraded),
            ]
        )
    return text.getvalue()


def format_markdown(
    metrics: Sequence[Metric], heading: str, facts: Mapping[str, Any], benchmark: Benchmark
) -> str:
    """Format a page: the overall score, the facts of the run, and a table of percentages."""
    models = published_models(metrics)
    ungraded = _ungraded_column(metrics)
    titles = ["scorer", "group", benchmark.measure, INTERVAL, COUNT, FAILED, *ungraded, *models]
    rows = [
        [
            metric.scorer,
            metric.group if metric.kind == "all" else f"{metric.kind}: {metric.group}",
            _percent(metric.score, 1),
            format_interval(metric.low, metric.high),
            str(metric.count),
            str(metric.failed),
            *(str(metric.ungraded) for _ in ungraded),
            *(str(metric.published.get(model, "")) for model in models),
        ]
        for metric in metrics
    ]
    first, *rest = (f"| {' | '.join(map(_cell, row))} |" for row in (titles, *rows))
    ruler = f"|{'|'.join('---' for _ in titles)}|"
    items = "\n".join(
        f"- {name}: {_cell(str(value))}" for name, value in facts.items() if value is not None
    )
    overall = (f"{_cell(line)}\n" for line in overall_lines(metrics, benchmark))
    return "\n".join([f"# {heading}", "", *overall, items, "", first, ruler, *rest, ""])


def overall_lines(metrics: Sequence[Metric], benchmark: Benchmark) -> list[str]:
    """Format a line for each scorer: its score of the complete benchmark.

    `accuracy 93.4% \u00b7 95% CI 91.0\u201395.2 \u00b7 n 412`; the scorer is named if there are several.
    """
    overall = [metric for metric in metrics if (metric.kind, metric.group) == benchmark.overall]
    lines = []
    for metric in overall:
        group = "" if metric.group == "all" else f"{metric.group}, "
        scorer = f"{metric.scorer} " if len(overall) > 1 else ""
        interval = format_interval(metric.low, metric.high)
        parts = [
            f"{group}{scorer}{benchmark.measure} {format_share(metric.score)}",
            *([f"{INTERVAL} {interval}"] if interval else []),
            f"{COUNT} {metric.count}",
            *([f"{FAILED} {metric.failed}"] if metric.failed else []),
            *([f"{UNGRADED} {metric.ungraded}"] if metric.ungraded else []),
        ]
        lines.append(" \u00b7 ".join(parts))
    return lines


def format_share(share: float | None) -> str:
    """Format a share in percent; a dash for the share of nothing."""
    return "\u2013" if share is None else f"{share:.1%}"


def published_models(metrics: Sequence[Metric]) -> list[str]:
    """List the models that have published figures, in the order of the metrics."""
    return list(dict.fromkeys(model for metric in metrics for model in metric.published))


def _ungraded_column(metrics: Sequence[Metric]) -> tuple[str, ...]:
    """Return the title of the column, empty if every case has a score."""
    return (UNGRADED,) if any(metric.ungraded for metric in metrics) else ()


def _percent(share: float | None, decimals: int) -> str:
    return "" if share is None else f"{100 * share:.{decimals}f}"


def _rounded(value: Any) -> Any:
    return round(value, 4) if isinstance(value, float) else value


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
