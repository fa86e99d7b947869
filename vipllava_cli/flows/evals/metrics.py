"""Results -> how much of them is right, in every group, with an interval.

Every example counts, one that failed as wrong. The intervals are percentiles of bootstrap resamples
(Efron, 1979) of the examples' scores, from a fixed seed.
"""

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from io import StringIO
from typing import Any

import numpy as np

from vipllava_cli.flows.evals.dataset import Result

RESAMPLES = 2000
_CERTAIN = 95.0  # percent of the resamples lie within an interval

Rule = Callable[[Result], float]


@dataclass(frozen=True)
class Metric:
    """By a `rule`, how much of `of` examples of a `group` is right, 0-1, of which `failed` have no
    answer; `low` and `high` hold 95 % of the resamples. `published` has the percents of other runs.
    """

    rule: str
    what: str
    group: str
    right: float
    of: int
    failed: int
    low: float
    high: float
    published: Mapping[str, float] = field(default_factory=dict)


@dataclass
class ScoreCounts:
    """The scores of a group's examples."""

    counts: Counter[float] = field(default_factory=Counter)
    failed: int = 0

    def add(self, score: float, *, failed: bool) -> None:
        self.counts[score] += 1
        self.failed += failed

    def interval(self) -> tuple[float, float]:
        """The mean of as many scores drawn again, in the middle 95 % of all drawings."""
        values, times = np.array(list(self.counts)), np.array(list(self.counts.values()))
        total = int(times.sum())
        drawn = np.random.default_rng(0).multinomial(total, times / total, size=RESAMPLES)
        out = (100 - _CERTAIN) / 2
        low, high = np.percentile(drawn @ values / total, (out, 100 - out))
        return float(low), float(high)


# Percents of published runs: rule -> sort of group -> group -> model.
Published = Mapping[str, Mapping[str, Mapping[str, Mapping[str, float]]]]


def metrics(
    results: Iterable[Result], rules: Mapping[str, Rule], published: Published | None = None
) -> list[Metric]:
    """A figure for each rule and group; rules and sorts of groups in the order in which they are met,
    and the groups of a sort in that of their names.
    """
    found: dict[tuple[str, str, str], ScoreCounts] = {}
    for result in results:
        for name, rule in rules.items():
            score = 0.0 if result.answer is None else rule(result)
            for what, groups in result.case.groups.items():
                for group in (groups,) if isinstance(groups, str) else groups:
                    scores = found.setdefault((name, what, group), ScoreCounts())
                    scores.add(score, failed=result.answer is None)
    sorts = list(dict.fromkeys(place[:2] for place in found))
    places = sorted(found, key=lambda place: (sorts.index(place[:2]), place[2]))
    return [metric(*place, found[place], published) for place in places]


def metric(
    rule: str, what: str, group: str, scores: ScoreCounts, published: Published | None = None
) -> Metric:
    """The figure of one group's scores."""
    of = scores.counts.total()
    right = sum(score * times for score, times in scores.counts.items()) / of
    known = (published or {}).get(rule, {}).get(what, {}).get(group, {})
    return Metric(rule, what, group, right, of, scores.failed, *scores.interval(), known)


# --- as files ----------------------------------------------------------------------------------


def to_json(metrics: Sequence[Metric]) -> list[dict[str, Any]]:
    """The figures as objects, shares with four decimals."""
    return [
        {
            name: round(value, 4) if isinstance(value, float) else value
            for name, value in asdict(metric).items()
        }
        for metric in metrics
    ]


def to_csv(metrics: Sequence[Metric]) -> str:
    """A line for each figure, percents with two decimals."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    models = models_of(metrics)
    lines.writerow(["rule", "what", "group", "right", "low", "high", "of", "failed", *models])
    for each in metrics:
        shares = [f"{100 * share:.2f}" for share in (each.right, each.low, each.high)]
        known = [each.published.get(model, "") for model in models]
        lines.writerow([each.rule, each.what, each.group, *shares, each.of, each.failed, *known])
    return text.getvalue()


def to_markdown(metrics: Sequence[Metric], heading: str, about: Mapping[str, Any]) -> str:
    """A page: what was run, and a table of percents with their intervals."""
    models = models_of(metrics)
    titles = ["right by", "group", "right", "95 %", "of", "failed", *models]
    rows = [
        [
            each.rule,
            each.group if each.what == "all" else f"{each.what}: {each.group}",
            f"{100 * each.right:.1f}",
            f"{100 * each.low:.1f}-{100 * each.high:.1f}",
            str(each.of),
            str(each.failed),
            *(str(each.published.get(model, "")) for model in models),
        ]
        for each in metrics
    ]
    table = "\n".join(f"| {' | '.join(_cell(c) for c in row)} |" for row in (titles, *rows))
    first, *rest = table.split("\n")
    rule = "|".join("---" for _ in titles)
    told = "\n".join(
        f"- {name}: {_cell(str(value))}" for name, value in about.items() if value is not None
    )
    return "\n".join([f"# {heading}", "", told, "", first, f"|{rule}|", *rest, ""])


def models_of(metrics: Sequence[Metric]) -> list[str]:
    """Whose published percents the figures know."""
    return list(dict.fromkeys(model for each in metrics for model in each.published))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def write_json(metrics: Sequence[Metric], about: Mapping[str, Any]) -> str:
    """The figures and what was run as one JSON object."""
    return json.dumps({**about, "figures": to_json(metrics)}, indent=2) + "\n"
