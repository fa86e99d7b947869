"""The flow of a run: answers, scores in the records, resume. A fake engine answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.support.evals import SilentListener, find_score, read_records
from tests.support.fake_engine import INFO, FakeEngine
from vipllava_cli.engine.base import Engine
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import Case, Result, Sample
from vipllava_cli.flows.evals.judges.grading import exact_judge
from vipllava_cli.flows.evals.registry import BENCHMARKS
from vipllava_cli.flows.evals.run import (
    EvalModel,
    Evaluation,
    answer_samples,
    grade_results,
    load_predictions,
    save_predictions,
    score_results,
)
from vipllava_cli.flows.evals.scorers import SCORERS


def _samples(count: int) -> list[Sample]:
    return [
        Sample(
            f"{number}",
            Image.new("RGB", (40, 40), (number, 0, 0)),
            (Case("what?", "a dog", {"all": "all"}), Case("who?", "a cat", {"all": "all"})),
        )
        for number in range(count)
    ]


SCORED = Benchmark(
    "mine",
    lambda options: iter(_samples(options.scenes)),
    {"exact": SCORERS["exact"], "any": lambda result: 0.25},
)
JUDGED = Benchmark(
    "judged",
    lambda options: iter(_samples(options.scenes)),
    published={"bbox": {"all": {"all": {"7B": 50.0}}}},
    from_predictions=lambda options, answers: [
        Result(id, Case("?", "a dog", {"all": "all"}), answers.get(id)) for id in ("a", "b", "c")
    ],
)


def _model(opener: Callable[[], Engine]) -> EvalModel:
    return EvalModel(INFO.name, INFO.revision, opener)


def _no_engine() -> Engine:
    raise AssertionError("nothing is to be asked")


def _evaluate(
    folder: Path, count: int, opener: Callable[[], Engine], benchmark: Benchmark = SCORED
) -> Evaluation:
    options = DatasetOptions(scenes=count)
    return answer_samples(benchmark, options, folder, _model(opener), SilentListener())


def test_scores_are_stored_in_the_records_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    evaluation = _evaluate(tmp_path, 3, FakeEngine)
    before = read_records(tmp_path)
    score_results(evaluation)
    after = read_records(tmp_path)
    assert list(after) == list(before)
    for id, record in after.items():
        target = "a dog" if id.endswith("q1") else "a cat"
        assert record["extra"].pop("scores") == {
            "exact": float(record["answer"].strip().lower() == target),
            "any": 0.25,
        }
        assert record == before[id]  # the key too
    assert find_score(json.loads((tmp_path / "scores.json").read_text()), "any") == (0.25, 6)
    first = (tmp_path / "records.jsonl").read_bytes()
    again = _evaluate(tmp_path, 3, _no_engine)
    score_results(again)
    assert (tmp_path / "records.jsonl").read_bytes() == first
    assert again.metrics == evaluation.metrics


def test_a_longer_run_keeps_the_scored_records(tmp_path: Path) -> None:
    score_results(_evaluate(tmp_path, 1, FakeEngine))
    engine = FakeEngine()
    score_results(_evaluate(tmp_path, 3, lambda: engine))
    assert sum(engine.batches) == 4  # the two questions of each of the two new samples
    assert all("scores" in record["extra"] for record in read_records(tmp_path).values())
    # A shorter run keeps the other records, and their scores.
    longer = (tmp_path / "records.jsonl").read_bytes()
    score_results(_evaluate(tmp_path, 1, _no_engine))
    assert (tmp_path / "records.jsonl").read_bytes() == longer


def test_failed_cases_score_0_and_are_asked_again(tmp_path: Path) -> None:
    evaluation = _evaluate(tmp_path, 1, lambda: FakeEngine(broken="who"))
    score_results(evaluation)
    assert (evaluation.failed, evaluation.facts["failed"]) == (1, 1)
    failed = read_records(tmp_path)["0:q2"]
    assert failed["extra"]["scores"] == {"exact": 0.0, "any": 0.0}
    again = _evaluate(tmp_path, 1, FakeEngine)
    score_results(again)
    assert again.failed == 0
    assert read_records(tmp_path)["0:q2"]["extra"]["scores"]["any"] == 0.25


def test_unusable_data_raise_before_the_folder_is_created(tmp_path: Path) -> None:
    def load(options: DatasetOptions) -> object:
        raise InputError("no data")

    benchmark = Benchmark("mine", load, {"exact": SCORERS["exact"]})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no data"):
        _evaluate(tmp_path / "out", 1, _no_engine, benchmark)
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="has no rows"):
        _evaluate(tmp_path / "out", 0, _no_engine)


def test_a_judge_scores_answers_and_predictions(tmp_path: Path) -> None:
    judge = exact_judge()
    progress: list[tuple[int, int]] = []
    evaluation = _evaluate(tmp_path, 2, FakeEngine, JUDGED)
    assert grade_results(evaluation, judge, lambda *done: progress.append(done)) == 0
    assert progress[-1] == (4, 4)
    for record in read_records(tmp_path).values():
        assert record["extra"]["scores"].keys() == {judge.name}
    assert json.loads(save_predictions(evaluation).read_text()).keys() == {
        "0:q1", "0:q2", "1:q1", "1:q2",
    }  # fmt: skip

    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps({"a": "it is a dog", "b": "a cat", "d": "a dog"}))
    options = DatasetOptions(limit=2)
    predicted, unknown = load_predictions(JUDGED, options, tmp_path / "predicted", stored)
    assert (unknown, predicted.failed, len(predicted.results)) == (1, 0, 2)
    grade_results(predicted, judge, lambda done, of: None)
    (metric,) = predicted.metrics
    assert (metric.scorer, metric.score, dict(metric.published)) == (judge.name, 0.5, {"7B": 50.0})
    facts = json.loads((tmp_path / "predicted/scores.json").read_text())
    assert (facts["predictions"], facts["judge"]) == (str(stored), judge.name)
    assert not (tmp_path / "predicted/records.jsonl").exists()


def test_a_folder_of_version_0_1_0_is_not_asked_again_and_has_the_same_scores(
    tmp_path: Path,
) -> None:
    old = ROOT / "tests/fixtures/0.1.0/eval"
    shutil.copytree(old, tmp_path, dirs_exist_ok=True)
    scores = json.loads((old / "scores.json").read_text())
    model = EvalModel(scores["model"], scores["revision"], _no_engine)
    options = DatasetOptions(scenes=scores["n"], seed=scores["seed"])
    evaluation = answer_samples(BENCHMARKS["clipart"], options, tmp_path, model, SilentListener())
    score_results(evaluation)
    found = json.loads((tmp_path / "scores.json").read_text())
    overall, *figures = found["figures"]
    assert (overall["what"], overall["of"]) == ("all", len(evaluation.results))
    # Version 0.1.0 sorted the groups of a kind by their letters.
    figures.sort(key=lambda figure: figure["group"])
    scores["figures"].sort(key=lambda figure: figure["group"])
    assert {**found, "figures": figures} == {**scores, "benchmark": "clipart"}
    before, after = read_records(old), read_records(tmp_path)
    for id, record in after.items():
        record["extra"].pop("scores")
        assert record == before[id]
