"""Metrics: groups, failed cases, and bootstrap intervals."""

import numpy as np
import pytest

from vipllava_cli.flows.evals.dataset import Case, Groups, Result
from vipllava_cli.flows.evals.metrics import ScoreCounts, compute_metrics
from vipllava_cli.flows.evals.scorers import SCORERS


def test_intervals_agree_with_resampling_of_single_rows() -> None:
    scores = ScoreCounts()
    values = [1.0] * 60 + [0.5] * 20 + [0.0] * 40
    for value in values:
        scores.add(value, failed=False)
    rng = np.random.default_rng(1)
    drawn = [rng.choice(values, len(values)).mean() for _ in range(4000)]
    assert scores.interval() == pytest.approx(np.percentile(drawn, (2.5, 97.5)), abs=0.01)
    assert scores.mean() == pytest.approx(70 / 120)
    certain = ScoreCounts()
    certain.add(1.0, failed=False)
    assert certain.interval() == (1.0, 1.0)


def test_a_case_counts_in_each_of_its_groups_and_a_failed_one_scores_0() -> None:
    groups: Groups = {"all": "all", "skill": ("b", "a")}
    results = [
        Result("0", Case("?", "x", groups), "x"),
        Result("1", Case("?", "x", {"all": "all", "skill": "a"}), "y"),
        Result("2", Case("?", "", {"all": "all"}), None),
    ]
    published = {"exact": {"skill": {"a": {"7B": 12.5}}}}
    metrics = compute_metrics(results, {"exact": SCORERS["exact"]}, published)
    assert [(m.kind, m.group, m.score, m.count, m.failed) for m in metrics] == [
        ("all", "all", pytest.approx(1 / 3), 3, 1),
        ("skill", "a", 0.5, 2, 0),
        ("skill", "b", 1.0, 1, 0),
    ]
    assert [dict(m.published) for m in metrics] == [{}, {"7B": 12.5}, {}]


def test_groups_are_in_the_order_of_the_benchmark_then_in_natural_order() -> None:
    names = ("10", "2", "small", "1", "large")
    results = [Result(name, Case("?", "x", {"size": name}), "x") for name in names]
    metrics = compute_metrics(
        results, {"exact": SCORERS["exact"]}, group_order=("tiny", "small", "large")
    )
    assert [metric.group for metric in metrics] == ["small", "large", "1", "2", "10"]
