"""The clip-art benchmark: its questions, its scores, and its moved marks."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.evals import QUIET, read_records
from vipllava_cli.engine.open import open_engine
from vipllava_cli.flows.evals.clipart.benchmark import (
    IMAGE_TRANSFORMS,
    IN_OTHER_WORDS,
    combine_moved_marks,
    samples,
    score_words,
)
from vipllava_cli.flows.evals.clipart.questions import HOLDOUT_QUESTION_KINDS, QUESTION_KINDS
from vipllava_cli.flows.evals.clipart.scenes import SIMPLE
from vipllava_cli.flows.evals.dataset import Case, Result, SampleBatch
from vipllava_cli.flows.evals.metrics import compute_metrics
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.sources.rows import Row

pytestmark = pytest.mark.model

SCENES = 5
KINDS = {"kind", IN_OTHER_WORDS}  # kinds of groups that together hold every question once


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eval")


def test_the_metrics_match_the_records(run: Run, folder: Path) -> None:
    command = ("eval", "clipart", "--n", SCENES, "--seed", 7, "--out", folder, "--json", *QUIET)
    result = run(*command)
    assert result.code == 0, result.stderr
    scores = json.loads(result.stdout)
    records = read_records(folder)
    found: dict[tuple[str, object], list[float]] = {}
    for sample in samples(SCENES, 7):
        for number, case in enumerate(sample.cases, 1):
            id = f"{sample.id}:q{number}" if len(sample.cases) > 1 else sample.id
            assert records[id]["question"] == case.question
            for kind in KINDS & case.groups.keys():
                record = records.pop(id)
                score = score_words(Result(sample.id, case, record["answer"]))
                assert record["extra"]["scores"] == {"words": score}
                found.setdefault((kind, case.groups[kind]), []).append(score)
    assert all("-moved-" in id for id in records)
    metrics = {
        (metric["what"], metric["group"]): (metric["right"], metric["of"])
        for metric in scores["figures"]
        if metric["what"] in KINDS
    }
    assert metrics == {
        kind: (round(sum(values) / len(values), 4), len(values)) for kind, values in found.items()
    }
    facts = {name: scores[name] for name in ("benchmark", "n", "seed", "journey")}
    assert facts == {"benchmark": "clipart", "n": SCENES, "seed": 7, "journey": "none"}
    assert json.loads((folder / "scores.json").read_text()) == scores
    first = (folder / "records.jsonl").read_bytes()
    assert json.loads(run(*command).stdout) == scores
    assert (folder / "records.jsonl").read_bytes() == first


@pytest.mark.slow
def test_a_batch_gives_the_same_answers_as_single_questions(run: Run, tmp_path: Path) -> None:
    run("eval", "clipart", "--n", 3, "--seed", 8, "--out", tmp_path, *QUIET)
    batched = {id: record["answer"] for id, record in read_records(tmp_path).items()}
    engine = open_engine("tiny", device="cpu")
    count = 0
    for sample in samples(3, 8):
        assert isinstance(sample.image, Image.Image)
        view = engine.view(pad_to_square(sample.image))
        for number, case in enumerate(sample.cases, 1):
            (alone,) = engine.answer([engine.prompt(view, case.question)])
            id = f"{sample.id}:q{number}" if len(sample.cases) > 1 else sample.id
            assert batched[id] == alone.text
            count += 1
    assert count == len(batched) > 3 * 8


def test_every_kind_of_question_occurs_and_a_seed_gives_the_same_scenes() -> None:
    first, again = (list(samples(12, 0)) for _ in range(2))
    kinds = {e.groups["kind"] for sample in first for e in sample.cases if "kind" in e.groups}
    assert kinds == set(QUESTION_KINDS)
    others = [e.groups.get(IN_OTHER_WORDS) for sample in first for e in sample.cases]
    assert set(others) - {None} == set(HOLDOUT_QUESTION_KINDS)
    assert [sample.cases for sample in first] == [sample.cases for sample in again]
    assert all(sample.image == other.image for sample, other in zip(first, again, strict=True))
    assert [sample.cases for sample in samples(12, 1)] != [sample.cases for sample in first]


@pytest.mark.parametrize(
    ("kind", "target", "answer", "expected"),
    [
        ("naming", "a dog", "A dog.", 1.0),
        ("naming", "a dog", "a dog and a cat", 0.0),
        ("list", "a dog, a cat and a tree", "a tree and a dog", 2 / 3),
        ("list", "a dog", "a dog, a cat", 1 / 2),
        ("absent", "there is no red box", "a dog", 0.0),
    ],
)
def test_scores(kind: str, target: str, answer: str, expected: float) -> None:
    for name in KINDS:
        result = Result("0", Case("?", target, {name: kind}), answer)
        assert score_words(result) == pytest.approx(expected)


def test_failed_cases_score_0_and_a_moved_mark_must_be_followed_to_both_objects() -> None:
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
    scorers = {"words": score_words}
    (naming,) = compute_metrics(results[:2], scorers)
    assert (naming.score, naming.count, naming.failed) == (0.5, 2, 1)
    (followed,) = compute_metrics(combine_moved_marks(results, score_words), scorers)
    assert (followed.kind, followed.group) == ("mark moved", "followed to both things")
    assert (followed.score, followed.count, followed.failed) == (0.5, 2, 0)
    assert combine_moved_marks(results[:2], score_words) == []


@pytest.mark.parametrize("transform", IMAGE_TRANSFORMS)
def test_marks_apart_are_those_on_the_images(transform: str) -> None:
    pairs = zip(samples(4, 3, transform), samples(4, 3, transform, marks_apart=True), strict=True)
    for together, apart in pairs:
        assert (together.id, together.cases, together.marks) == (apart.id, apart.cases, ())
        assert isinstance(together.image, Image.Image)
        assert isinstance(apart.image, Image.Image)
        drawn = draw(apart.image, resolve_marks(apart.marks, apart.image.size).marks)
        difference = np.abs(np.asarray(drawn).astype(float) - np.asarray(together.image))
        assert difference.mean() < (0.01 if transform == "none" else 12)


@pytest.mark.parametrize("transform", IMAGE_TRANSFORMS)
def test_transforms_keep_the_image_recognizable(transform: str) -> None:
    plain, changed = (next(samples(1, 3, name)).image for name in ("none", transform))
    assert isinstance(plain, Image.Image)
    assert isinstance(changed, Image.Image)
    ratio = changed.width / changed.height
    if transform == "wide":
        assert ratio == pytest.approx(plain.width / plain.height * 4 / 3, abs=0.02)
        left = (changed.width - plain.width) // 2
        changed = changed.crop((left, 0, left + plain.width, plain.height))
    else:
        assert ratio == pytest.approx(plain.width / plain.height, abs=0.02)
    back = np.asarray(changed.resize(plain.size, Image.Resampling.BICUBIC)).astype(float)
    assert np.abs(back - np.asarray(plain)).mean() < 8


def test_samples_are_rows_with_their_targets(tmp_path: Path) -> None:
    batch = SampleBatch(tmp_path)
    rows = list(batch.rows(samples(2, 0, settings=SIMPLE)))
    assert {Path(row.image).name for row in rows} == {path.name for path in tmp_path.iterdir()}
    first = rows[0]
    assert isinstance(first, Row)
    targets = first.extra["wanted"]  # `compare` reads this
    assert len(targets) == len(first.questions) > 1
    (result,) = batch.results([{"id": f"{first.id}:q2", "answer": "yes"}])
    assert (result.id, result.case.question, result.answer) == (
        first.id,
        first.questions[1],
        "yes",
    )
