"""`eval demo`: what it asks, how it scores, and that a batch answers as single asks do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from vipllava_cli.engine.open import open_engine
from vipllava_cli.flows.evals.clipart.benchmark import (
    IN_OTHER_WORDS,
    JOURNEYS,
    obedience,
    pages,
    score,
)
from vipllava_cli.flows.evals.clipart.questions import ASKED, ASKED_OTHERWISE
from vipllava_cli.flows.evals.clipart.scenes import SIMPLE
from vipllava_cli.flows.evals.dataset import Asked, Example, Result
from vipllava_cli.flows.evals.metrics import figures
from vipllava_cli.images.load import square
from vipllava_cli.sources.rows import Row
from vipllava_cli.storage.journal import read_records

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
    records = {record["id"]: record for record in read_records(folder / "records.jsonl")}
    right: dict[tuple[str, object], list[float]] = {}
    for page in pages(SCENES, 7):
        for number, example in enumerate(page.examples, 1):
            id = f"{page.id}:q{number}" if len(page.examples) > 1 else page.id
            assert records[id]["question"] == example.question
            for sort in SORTS & example.groups.keys():
                result_of = Result(page.id, example, records.pop(id)["answer"])
                right.setdefault((sort, example.groups[sort]), []).append(score(result_of))
    assert all("-moved-" in id for id in records)
    told = {
        (figure["what"], figure["group"]): (figure["right"], figure["of"])
        for figure in scores["figures"]
        if figure["what"] in SORTS
    }
    assert told == {
        kind: (round(sum(some) / len(some), 4), len(some)) for kind, some in right.items()
    }
    assert (folder / "scores.json").read_text() == result.stdout
    again = run(*command, "--model", "tiny")
    assert json.loads(again.stdout) == scores


def test_a_batch_answers_the_benchmark_as_single_asks_do(run: Run, tmp_path: Path) -> None:
    run("eval", "demo", "--n", 3, "--seed", 8, "--out", tmp_path, "-q", "--model", "tiny")
    together = {r["id"]: r["answer"] for r in read_records(tmp_path / "records.jsonl")}
    engine = open_engine("tiny", device="cpu")
    asked = 0
    for page in pages(3, 8):
        assert isinstance(page.picture, Image.Image)
        view = engine.view(square(page.picture))
        for number, example in enumerate(page.examples, 1):
            (alone,) = engine.answer([engine.prompt(view, example.question)])
            id = f"{page.id}:q{number}" if len(page.examples) > 1 else page.id
            assert together[id] == alone.text
            asked += 1
    assert asked == len(together) > 3 * 8


def test_every_kind_of_question_is_measured_and_the_same_seed_gives_the_same_scenes() -> None:
    first, again = (list(pages(12, 0)) for _ in range(2))
    kinds = {e.groups["kind"] for page in first for e in page.examples if "kind" in e.groups}
    assert kinds == set(ASKED)
    others = [e.groups.get(IN_OTHER_WORDS) for page in first for e in page.examples]
    assert set(others) - {None} == set(ASKED_OTHERWISE)
    assert [page.examples for page in first] == [page.examples for page in again]
    assert all(page.picture == other.picture for page, other in zip(first, again, strict=True))
    assert [page.examples for page in pages(12, 1)] != [page.examples for page in first]


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
    result = Result("0", Example("?", wanted, {"kind": kind}), answer)
    assert score(result) == pytest.approx(right)


def test_failed_answers_count_as_wrong_and_both_moved_marks_must_be_followed() -> None:
    example = Example("?", "a dog", {"kind": "naming"})
    answers = {
        "0": None,
        "1": "a dog",
        "4-moved-0": "a dog",
        "4-moved-1": "a cat",
        "8-moved-0": "a dog",
        "8-moved-1": "a dog",
    }
    results = [Result(id, example, answer) for id, answer in answers.items()]
    (naming,) = figures(results[:2], {"words": score})
    assert (naming.right, naming.of, naming.failed) == (0.5, 2, 1)
    (followed,) = obedience(results)
    assert (followed.right, followed.of) == (0.5, 2)
    assert obedience(results[:2]) == []


@pytest.mark.parametrize("journey", JOURNEYS)
def test_journeys_keep_the_picture_recognisable(journey: str) -> None:
    plain, travelled = (next(pages(1, 3, name)).picture for name in ("none", journey))
    assert isinstance(plain, Image.Image)
    assert isinstance(travelled, Image.Image)
    ratio = travelled.width / travelled.height
    if journey == "wide":
        assert ratio == pytest.approx(plain.width / plain.height * 4 / 3, abs=0.02)
        left = (travelled.width - plain.width) // 2
        travelled = travelled.crop((left, 0, left + plain.width, plain.height))
    else:
        assert ratio == pytest.approx(plain.width / plain.height, abs=0.02)
    back = np.asarray(travelled.resize(plain.size, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(back - np.asarray(plain)).mean() < 8


def test_a_page_is_written_once_and_its_records_find_their_examples(tmp_path: Path) -> None:
    asked = Asked(tmp_path)
    rows = list(asked.rows(pages(2, 0, world=SIMPLE)))
    assert {Path(row.image).name for row in rows} == {path.name for path in tmp_path.iterdir()}
    first = rows[0]
    assert isinstance(first, Row)
    wanted = first.extra["wanted"]  # what `compare` reads
    assert len(wanted) == len(first.questions) > 1
    (result,) = asked.results([{"id": f"{first.id}:q2", "answer": "yes"}])
    assert (result.id, result.example.question, result.answer) == (
        first.id,
        first.questions[1],
        "yes",
    )
