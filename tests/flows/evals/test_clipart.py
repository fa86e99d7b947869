"""`eval demo`: what it asks, how it scores, and that a batch answers as single asks do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from vipllava_cli.engine.open import open_engine
from vipllava_cli.flows.evals.clipart.benchmark import (
    IMAGE_TRANSFORMS,
    IN_OTHER_WORDS,
    mark_following,
    samples,
    score,
)
from vipllava_cli.flows.evals.clipart.questions import HOLDOUT_QUESTION_KINDS, QUESTION_KINDS
from vipllava_cli.flows.evals.clipart.scenes import SIMPLE
from vipllava_cli.flows.evals.dataset import Case, Result, SampleBatch
from vipllava_cli.flows.evals.metrics import metrics
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.sources.rows import Row
from vipllava_cli.storage.journal import read_journal

pytestmark = pytest.mark.usefixtures("opened_once")

SCENES = 5
SORTS = {"kind", IN_OTHER_WORDS}  # of groups that together hold every question once


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eval")


def test_the_figures_are_those_of_the_records(run: Run, folder: Path) -> None:
    command = ("eval", "demo", "--n", SCENES, "--seed", 7, "--out", folder, "--json", "-q")
    result = run(*command, "--model", "tiny")
    assert result.code == 0, result.stderr
    scores = json.loads(result.stdout)
    records = {record["id"]: record for record in read_journal(folder / "records.jsonl")}
    right: dict[tuple[str, object], list[float]] = {}
    for page in samples(SCENES, 7):
        for number, case in enumerate(page.cases, 1):
            id = f"{page.id}:q{number}" if len(page.cases) > 1 else page.id
            assert records[id]["question"] == case.question
            for sort in SORTS & case.groups.keys():
                result_of = Result(page.id, case, records.pop(id)["answer"])
                right.setdefault((sort, case.groups[sort]), []).append(score(result_of))
    assert all("-moved-" in id for id in records)
    told = {
        (metric["what"], metric["group"]): (metric["right"], metric["of"])
        for metric in scores["figures"]
        if metric["what"] in SORTS
    }
    assert told == {
        kind: (round(sum(some) / len(some), 4), len(some)) for kind, some in right.items()
    }
    assert (folder / "scores.json").read_text() == result.stdout
    again = run(*command, "--model", "tiny")
    assert json.loads(again.stdout) == scores


def test_a_batch_answers_the_benchmark_as_single_asks_do(run: Run, tmp_path: Path) -> None:
    run("eval", "demo", "--n", 3, "--seed", 8, "--out", tmp_path, "-q", "--model", "tiny")
    together = {r["id"]: r["answer"] for r in read_journal(tmp_path / "records.jsonl")}
    engine = open_engine("tiny", device="cpu")
    asked = 0
    for page in samples(3, 8):
        assert isinstance(page.image, Image.Image)
        view = engine.view(pad_to_square(page.image))
        for number, case in enumerate(page.cases, 1):
            (alone,) = engine.answer([engine.prompt(view, case.question)])
            id = f"{page.id}:q{number}" if len(page.cases) > 1 else page.id
            assert together[id] == alone.text
            asked += 1
    assert asked == len(together) > 3 * 8


def test_every_kind_of_question_is_measured_and_the_same_seed_gives_the_same_scenes() -> None:
    first, again = (list(samples(12, 0)) for _ in range(2))
    kinds = {e.groups["kind"] for page in first for e in page.cases if "kind" in e.groups}
    assert kinds == set(QUESTION_KINDS)
    others = [e.groups.get(IN_OTHER_WORDS) for page in first for e in page.cases]
    assert set(others) - {None} == set(HOLDOUT_QUESTION_KINDS)
    assert [page.cases for page in first] == [page.cases for page in again]
    assert all(page.image == other.image for page, other in zip(first, again, strict=True))
    assert [page.cases for page in samples(12, 1)] != [page.cases for page in first]


@pytest.mark.parametrize(
    ("kind", "wanted", "answer", "right"),
    [
        ("naming", "a dog", "A dog.", 1.0),
        ("naming", "a dog", "a dog and a cat", 0.0),
        ("list", "a dog, a cat and a tree", "a tree and a dog", 2 / 3),
        ("list", "a dog", "a dog, a cat", 1 / 2),
        ("absent", "there is no red box", "a dog", 0.0),
    ],
)
def test_scores(kind: str, wanted: str, answer: str, right: float) -> None:
    result = Result("0", Case("?", wanted, {"kind": kind}), answer)
    assert score(result) == pytest.approx(right)


def test_failed_answers_count_as_wrong_and_both_moved_marks_must_be_followed() -> None:
    case = Case("?", "a dog", {"kind": "naming"})
    answers = {
        "0": None,
        "1": "a dog",
        "4-moved-0": "a dog",
        "4-moved-1": "a cat",
        "8-moved-0": "a dog",
        "8-moved-1": "a dog",
    }
    results = [Result(id, case, answer) for id, answer in answers.items()]
    (naming,) = metrics(results[:2], {"words": score})
    assert (naming.right, naming.of, naming.failed) == (0.5, 2, 1)
    (followed,) = mark_following(results)
    assert (followed.right, followed.of) == (0.5, 2)
    assert mark_following(results[:2]) == []


@pytest.mark.parametrize("transform", IMAGE_TRANSFORMS)
def test_journeys_keep_the_image_recognisable(transform: str) -> None:
    plain, travelled = (next(samples(1, 3, name)).image for name in ("none", transform))
    assert isinstance(plain, Image.Image)
    assert isinstance(travelled, Image.Image)
    ratio = travelled.width / travelled.height
    if transform == "wide":
        assert ratio == pytest.approx(plain.width / plain.height * 4 / 3, abs=0.02)
        left = (travelled.width - plain.width) // 2
        travelled = travelled.crop((left, 0, left + plain.width, plain.height))
    else:
        assert ratio == pytest.approx(plain.width / plain.height, abs=0.02)
    back = np.asarray(travelled.resize(plain.size, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(back - np.asarray(plain)).mean() < 8


def test_a_page_is_written_once_and_its_records_find_their_examples(tmp_path: Path) -> None:
    asked = SampleBatch(tmp_path)
    rows = list(asked.rows(samples(2, 0, world=SIMPLE)))
    assert {Path(row.image).name for row in rows} == {path.name for path in tmp_path.iterdir()}
    first = rows[0]
    assert isinstance(first, Row)
    wanted = first.extra["wanted"]  # what `compare` reads
    assert len(wanted) == len(first.questions) > 1
    (result,) = asked.results([{"id": f"{first.id}:q2", "answer": "yes"}])
    assert (result.id, result.case.question, result.answer) == (
        first.id,
        first.questions[1],
        "yes",
    )
