"""Results -> the mean score of every group, with a confidence interval.

Every case counts, and a failed case scores 0. A case that its judge could not grade has no score, and
is counted apart. The intervals are percentiles of bootstrap resamples
(Efron, 1979) of the scores, with a fixed seed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from natsort import natsorted

from vipllava_cli.flows.evals.dataset import Result

# Titles of columns in every table of scores. The first belongs to the benchmark.
ACCURACY, INTERVAL, COUNT, FAILED, UNGRADED = "accuracy", "95% CI", "n", "failed", "ungraded"
RESAMPLES = 2000
_CONFIDENCE = 95.0  # percent of the resamples inside an interval

# Result -> its score; None for one without a grade.
GradeScorer = Callable[[Result], float | None]

# Figures of published runs in percent: kind of group -> group -> model.
PublishedFigures = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Metric:
    """The mean score (0-1) of a scorer over the `count` cases of a group; None over no case.

    `kind` is the kind of the group. `failed` of the cases have no answer. `low` and `high` bound
    95 % of the resamples. `published` holds the percentages of other runs by model. `ungraded` further
    cases of the group have no score.
    """

    scorer: str
    kind: str
    group: str
    score: float | None
    count: int
    failed: int
    low: float | None
    high: float | None
    published: Mapping[str, float] = field(default_factory=dict)
    ungraded: int = 0


def format_interval(low: float | None, high: float | None) -> str:
    """Format the bounds of an interval in percent, with a dash between them; empty without any."""
    if low is None or high is None:
        return ""
    return f"{100 * low:.1f}\u2013{100 * high:.1f}"


@dataclass
class ScoreCounts:
    """The scores of a group: how often each occurs."""

    counts: Counter[float] = field(default_factory=Counter)
    failed: int = 0
    ungraded: int = 0

    def add(self, score: float | None, *, failed: bool) -> None:
        """Count a score, None for a case that has none."""
        if score is None:
            self.ungraded += 1
        else:
            self.counts[score] += 1
            self.failed += failed

    def mean(self) -> float:
        total = sum(score * count for score, count in self.counts.items())
        return total / self.counts.total()

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of the mean over resamples."""
        values, counts = np.array(list(self.counts)), np.array(list(self.counts.values()))
        total = int(counts.sum())
        drawn = np.random.default_rng(0).multinomial(total, counts / total, size=RESAMPLES)
        tail = (100 - _CONFIDENCE) / 2
        low, high = np.percentile(drawn @ values / total, (tail, 100 - tail))
        return float(low), float(high)


def compute_metrics(
    results: Iterable[Result],
    scorers: Mapping[str, GradeScorer],
    published: Mapping[str, PublishedFigures] | None = None,
    group_order: Sequence[str] = (),
) -> list[Metric]:
    """Compute a metric for each scorer and group. `published` holds figures by scorer.

    Scorers and kinds of groups keep the order of their first result. In a kind, the groups in
    `group_order` come first, and the others follow in natural order.
    """
    counts: dict[tuple[str, str, str], ScoreCounts] = {}
    for result in results:
        for name, scorer in scorers.items():
            score = score_result(result, scorer)
            for kind, groups in result.case.groups.items():
                for group in (groups,) if isinstance(groups, str) else groups:
                    scores = counts.setdefault((name, kind, group), ScoreCounts())
                    scores.add(score, failed=result.answer is None)
    kinds = list(dict.fromkeys(key[:2] for key in counts))
    ranks = {group: rank for rank, group in enumerate(group_order)}
    keys = natsorted(
        counts, key=lambda key: (kinds.index(key[:2]), ranks.get(key[2], len(ranks)), key[2])
    )
    figures = published or {}
    return [make_metric(*key, counts[key], figures.get(key[0], {})) for key in keys]


def score_result(result: Result, scorer: GradeScorer) -> float | None:
    """Return the score of a result, 0 if it failed, None if it is ungraded."""
    return 0.0 if result.answer is None else scorer(result)


def make_metric(
    scorer: str, kind: str, group: str, scores: ScoreCounts, published: PublishedFigures
) -> Metric:
    """Make the metric of one group from its scores."""
    has_scores = bool(scores.counts)
    bounds: tuple[float | None, float | None] = scores.interval() if has_scores else (None, None)
    return Metric(
        scorer,
        kind,
        group,
        scores.mean() if has_scores else None,
        scores.counts.total(),
        scores.failed,
        *bounds,
        published.get(kind, {}).get(group, {}),
        scores.ungraded,
    )
