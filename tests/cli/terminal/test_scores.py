"""The tables of a benchmark's scores."""

import pytest

from vipllava_cli.cli.terminal.scores import MAX_GROUPS, print_scores
from vipllava_cli.flows.evals.dataset import Case, Groups, Result
from vipllava_cli.flows.evals.metrics import compute_metrics
from vipllava_cli.flows.evals.registry import BENCHMARKS
from vipllava_cli.flows.evals.scorers import SCORERS

# The groups of one case of each benchmark.
CASES: dict[str, Groups] = {
    "clipart": {"all": "all", "kind": "naming", "things in the scene": ("10", "2", "1")},
    "vp-bench": {"all": "all", "shape": ("arrow", "tag"), "amount": "2"},
    "vip-bench": {"all": "all", "capability": ("rec", "ocr", "know"), "exact set": "know+ocr+rec"},
    "visual7w": {"all": "all"},
    "pointqa": {"all": "all"},
    "vcr": {"task": ("QA to R", "Q to A", "Q to AR")},
}


def lines_of(name: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    benchmark = BENCHMARKS[name]
    results = [Result(str(n), Case("?", "x", CASES[name]), answer) for n, answer in enumerate("xy")]
    scorers = benchmark.scorers and dict.fromkeys(benchmark.scorers, SCORERS["exact"])
    metrics = compute_metrics(
        results,
        scorers or {"judge": SCORERS["exact"]},
        benchmark.published,
        benchmark.group_order,
    )
    print_scores(metrics, benchmark)
    return capsys.readouterr().out.splitlines()


FIGURES = "50.0% \u00b7 95% CI 0.0\u2013100.0 \u00b7 n 2"


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("clipart", f"accuracy {FIGURES}"),
        ("vp-bench", f"lenient accuracy {FIGURES}"),
        ("vip-bench", f"score {FIGURES}"),
        ("visual7w", f"published accuracy {FIGURES}"),
        ("pointqa", f"published accuracy {FIGURES}"),
        ("vcr", f"Q to AR, published accuracy {FIGURES}"),
    ],
)
def test_every_benchmark_prints_its_overall_score_first(
    name: str, first: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(name, capsys)
    assert lines[0] == first
    titles = next(line for line in lines if "95% CI" in line and "\u00b7" not in line).split()
    word = "score" if name == "vip-bench" else "accuracy"
    at = titles.index(word)
    assert titles[at : at + 4] == [word, "95%", "CI", "n"]


def test_a_kind_of_many_groups_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The figures of the others stay tables."""
    benchmark = BENCHMARKS["vp-bench"]
    results = [
        Result(f"{n}", Case("?", "x", {"shape": "arrow", "attributes": f"red, {n}"}), "x")
        for n in range(MAX_GROUPS + 1)
    ]
    print_scores(compute_metrics(results, {"lenient": SCORERS["exact"]}), benchmark)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "attributes: 61 groups, all in scores.csv and scores.json"
    assert len(lines) == 5
    print_scores(compute_metrics(results[1:], {"lenient": SCORERS["exact"]}), benchmark)
    assert "red, 60" in capsys.readouterr().out


def test_every_benchmark_is_tested() -> None:
    assert CASES.keys() == BENCHMARKS.keys()


@pytest.mark.parametrize(
    ("name", "kind", "groups"),
    [
        ("clipart", "things in the scene", ["1", "2", "10"]),
        ("vip-bench", "capability", ["rec", "ocr", "know"]),
    ],
)
def test_groups_are_in_their_natural_order(
    name: str, kind: str, groups: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(name, capsys)
    start = next(number for number, line in enumerate(lines) if line.startswith(kind))
    shown = lines[start + 1 : start + 1 + len(groups)]
    assert [line.split()[0] for line in shown] == groups


def test_a_table_of_nothing_but_the_overall_score_is_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert not any(line.startswith("all ") for line in lines_of("clipart", capsys))
    assert any(line.startswith("all, published") for line in lines_of("visual7w", capsys))
