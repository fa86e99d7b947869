"""The scores of one benchmark in several mark styles, side by side."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vipllava_cli.errors import UsageError
from vipllava_cli.flows.evals.metrics import Metric
from vipllava_cli.flows.evals.output_files import (
    STYLES_NAME,
    format_share,
    scores_to_json,
    write_text,
)
from vipllava_cli.flows.evals.run import Evaluation
from vipllava_cli.marks.reference_style import ReferenceStyle

ALL_STYLES = "all"
MARKDOWN_NAME = "styles.md"
STARTS: Mapping[str, bytes] = {STYLES_NAME: b'{\n  "benchmark"', MARKDOWN_NAME: b"# "}

Scores = Mapping[str, Evaluation]  # by style, in the order of the table
Row = tuple[str, Sequence[Metric | None]]  # a group, and its metric in each style

# Styles whose questions do not name a mark as the texts of the options do.
_WITHOUT_DRAWN_NAMES = (ReferenceStyle.numbered, ReferenceStyle.coordinates)


def check_options_named(style: ReferenceStyle, *, by_text: bool) -> None:
    """Raise UsageError if the options would name marks otherwise than the question does."""
    if by_text and style in _WITHOUT_DRAWN_NAMES:
        raise UsageError(
            "--by text scores the names of drawn marks, which are no answers in the style"
            f" {style.value}: choose --by letter or --by likelihood"
        )


def styles_for(*, has_coordinates: bool, by_text: bool) -> list[ReferenceStyle]:
    """Return the styles that can be compared for a model and the way to choose an option."""
    return [
        style
        for style in ReferenceStyle
        if (has_coordinates or not style.writes_places)
        and not (by_text and style in _WITHOUT_DRAWN_NAMES)
    ]


def score_rows(scores: Scores) -> list[Row]:
    """Return a row for each scorer and group: first the complete benchmark, then the groups."""
    by_group = [
        {(each.scorer, each.kind, each.group): each for each in evaluation.metrics}
        for evaluation in scores.values()
    ]
    keys = dict.fromkeys(key for metrics in by_group for key in metrics)
    several = len({scorer for scorer, _, _ in keys}) > 1
    overall = next(iter(scores.values())).benchmark.overall
    ordered = sorted(keys, key=lambda key: key[1:] != overall)  # stable: groups keep their order
    return [
        (_name(key, several=several), [metrics.get(key) for metrics in by_group]) for key in ordered
    ]


def _name(key: tuple[str, str, str], *, several: bool) -> str:
    scorer, kind, group = key
    name = group if kind == "all" else f"{kind}: {group}"
    return f"{name}, {scorer}" if several else name


def write_style_scores(folder: Path, scores: Scores) -> None:
    """Write `styles.json` and `styles.md`. Raises InputError."""
    write_text(folder / STYLES_NAME, json.dumps(style_scores_to_json(scores), indent=2) + "\n")
    write_text(folder / MARKDOWN_NAME, format_style_table(scores))


def style_scores_to_json(scores: Scores) -> dict[str, Any]:
    """Return the scores of every style as one JSON object."""
    first = next(iter(scores.values()))
    styles = {
        style: scores_to_json(each.metrics, {"mark style": style, **each.facts})
        for style, each in scores.items()
    }
    return {"benchmark": first.benchmark.name, "model": first.facts.get("model"), "styles": styles}


def format_style_table(scores: Scores) -> str:
    """Format a Markdown page: a row for each group, a column for each style."""
    first = next(iter(scores.values()))
    titles = ["group", *scores, "n"]
    lines = [f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}"]
    for name, metrics in score_rows(scores):
        shares = [format_share(metric.score) if metric else "" for metric in metrics]
        count = max(metric.count for metric in metrics if metric)
        lines.append(f"| {' | '.join([name.replace('|', ' '), *shares, str(count)])} |")
    heading = f"# {first.benchmark.name}, {first.facts.get('model')}: mark styles"
    return "\n".join([heading, "", *lines, ""])
