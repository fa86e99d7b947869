"""Another run into one folder: refused with both values, replaced with `force`. A fake engine answers."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from tests.support.evals import SilentListener, read_records
from tests.support.fake_engine import INFO, FakeEngine
from vipllava_cli.engine.base import Engine
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import Case, Sample
from vipllava_cli.flows.evals.run import EvalModel, answer_samples, score_results
from vipllava_cli.flows.evals.scorers import SCORERS

MODEL = EvalModel(INFO.name, INFO.revision, FakeEngine)
OPTIONS = DatasetOptions(scenes=3)


def _samples(options: DatasetOptions) -> list[Sample]:
    color = (options.seed, 0, len(options.transform))
    return [
        Sample(f"{number}", Image.new("RGB", (40, 40), color), (Case("what?", "a dog", {"all": "all"}),))
        for number in range(options.scenes)
    ]  # fmt: skip


BENCHMARK = Benchmark(
    "mine",
    lambda options: iter(_samples(options)),
    {"exact": SCORERS["exact"]},
    facts=lambda options: {"seed": options.seed, "journey": options.transform},
)


def _no_engine() -> Engine:
    raise AssertionError("nothing is to be asked")


def _run(
    folder: Path,
    benchmark: Benchmark = BENCHMARK,
    options: DatasetOptions = OPTIONS,
    model: EvalModel = MODEL,
    *,
    force: bool = False,
    is_stopped: bool = False,
) -> None:
    evaluation = answer_samples(benchmark, options, folder, model, SilentListener(), force=force)
    if not is_stopped:
        score_results(evaluation)


@pytest.mark.parametrize("is_stopped", [False, True])
@pytest.mark.parametrize(
    ("benchmark", "options", "model", "parts"),
    [
        (BENCHMARK, OPTIONS, replace(MODEL, name="7b"), (f"the model {INFO.name}", "the model 7b")),
        (BENCHMARK, OPTIONS, replace(MODEL, revision="9"),
         (f"the revision {INFO.revision}", "the revision 9")),
        (BENCHMARK, OPTIONS, replace(MODEL, template="vicuna"),
         ("the template human", "the template vicuna")),
        (replace(BENCHMARK, max_new_tokens=5), OPTIONS, MODEL,
         ("--max-new-tokens 128", "--max-new-tokens 5")),
        (BENCHMARK, replace(OPTIONS, seed=7), MODEL, ("--seed 0", "--seed 7")),
        (BENCHMARK, replace(OPTIONS, transform="double"), MODEL,
         ("--transform none", "--transform double")),
    ],
)  # fmt: skip
def test_another_run_is_refused_and_changes_nothing(
    tmp_path: Path,
    benchmark: Benchmark,
    options: DatasetOptions,
    model: EvalModel,
    parts: tuple[str, str],
    is_stopped: bool,
) -> None:
    _run(tmp_path, is_stopped=is_stopped)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    no_model = replace(model, open=_no_engine)
    with pytest.raises(InputError) as error:
        _run(tmp_path, benchmark, options, no_model)
    message = str(error.value)
    if is_stopped and options is not OPTIONS:  # no scores say which seed or transform it was
        parts = (str(tmp_path / "0.png"), "--seed or --transform")
    assert all(part in message for part in parts)
    assert message.endswith(
        f"give another --out, or add --force to start over in {tmp_path}"
    )  # fmt: skip
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before

    # The advice works, both ways, and the folder is then a run like any other.
    _run(tmp_path / "other", benchmark, options, model)
    _run(tmp_path, benchmark, options, model, force=True)
    _run(tmp_path, benchmark, options, no_model)
    assert read_records(tmp_path).keys() == read_records(tmp_path / "other").keys()
    for id in read_records(tmp_path):
        image = f"{id}.png"
        assert (tmp_path / image).read_bytes() == (tmp_path / "other" / image).read_bytes()


def test_another_benchmark_is_refused(tmp_path: Path) -> None:
    _run(tmp_path)
    with pytest.raises(InputError, match="has a run of mine, but this run is of yours: give"):
        _run(tmp_path, replace(BENCHMARK, name="yours"))


def test_a_forced_run_leaves_no_answers_of_the_other_one(tmp_path: Path) -> None:
    _run(tmp_path)
    _run(tmp_path, options=replace(OPTIONS, scenes=1, seed=1), force=True)
    assert list(read_records(tmp_path)) == ["0"]
    assert json.loads((tmp_path / "scores.json").read_text())["seed"] == 1


def test_force_resumes_the_same_run(tmp_path: Path) -> None:
    _run(tmp_path)
    _run(tmp_path, model=replace(MODEL, open=_no_engine), force=True)


def test_a_stopped_forced_run_resumes_without_force(tmp_path: Path) -> None:
    _run(tmp_path)
    _run(tmp_path, options=replace(OPTIONS, seed=1), force=True, is_stopped=True)
    assert not list(tmp_path.glob("scores.*")), "the scores of the other run"
    _run(tmp_path, options=replace(OPTIONS, seed=1), model=replace(MODEL, open=_no_engine))


def test_an_image_that_was_cut_short_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(b"\x89PNG")
    _run(tmp_path)
    assert not any(record["error"] for record in read_records(tmp_path).values())


def test_broken_scores_stop_no_run(tmp_path: Path) -> None:
    _run(tmp_path)
    for text in ("{", "[]", '{"benchmark": 3}'):
        (tmp_path / "scores.json").write_text(text)
        _run(tmp_path, model=replace(MODEL, open=_no_engine))
