"""VCR: the words for objects at points, the points, and rows where both answers are correct."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support import benchmark_files as files
from tests.support.evals import QUIET, find_score, read_records
from vipllava_cli.flows.evals.benchmark import DatasetOptions
from vipllava_cli.flows.evals.dataset import Case, Result
from vipllava_cli.flows.evals.metrics import compute_metrics
from vipllava_cli.flows.evals.scorers import SCORERS
from vipllava_cli.flows.evals.vcr import combine_rows, load

pytestmark = pytest.mark.model


def test_questions_name_objects_by_their_points_and_q_to_ar_needs_both(
    run: Run, tmp_path: Path
) -> None:
    data, out = files.vcr(tmp_path / "data", 3), tmp_path / "out"
    result = run("eval", "vcr", "--data", data, "--out", out, "--json", *QUIET)
    assert result.code == 0, result.stderr
    rows, records = json.loads((data / "rows.json").read_text()), read_records(out)
    for row in rows:
        name, answers = row["class_names"][0], row["class_names"]
        answer, rationale = (records[f"{row['id']}/{task}"] for task in ("answer", "rationale"))
        (mark,) = answer["marks"]
        lines = answer["question"].split("\n")
        assert lines[0] == f"What is the {name} at {mark['color']} point?"
        assert lines[1:5] == [
            f"{letter}. a {name}." for letter, name in zip("ABCD", answers, strict=True)
        ]
        left, top, right, bottom = files.boxes(files.scenes(3)[int(row["id"][4:])])[0]
        assert mark["coords"] == pytest.approx([(left + right) / 2, (top + bottom) / 2])
        first, *options, _ = rationale["question"].split("\n")
        color = rationale["marks"][0]["color"]
        assert first.endswith(
            f'"What is the {name} at {color} point?" The answer is "a {name}.".What is the rationale'
            " for this decision?"
        )
        assert options == [
            f"{letter}. Because the {name} at {mark['color']} point is there."
            for letter, name, mark in zip("ABCD", answers, rationale["marks"], strict=True)
        ]
    scores = json.loads(result.stdout)
    correct = [
        [records[f"{row['id']}/{task}"]["answer"] == "A" for task in ("answer", "rationale")]
        for row in rows
    ]
    expected = {"Q to A": sum(a for a, _ in correct), "Q to AR": sum(a and r for a, r in correct)}
    for group, count in expected.items():
        assert find_score(scores, "published", group) == (round(count / 3, 4), 3)
    assert scores["images"] == "in their own aspect ratio; the published run squashes them"


def _result(id: str, answer: str | None) -> Result:
    return Result(id, Case("?", "A", {"task": "Q to A"}), answer)


def test_a_row_is_correct_if_both_answers_are_and_fails_if_one_of_them_failed() -> None:
    answers: dict[str, str | None] = {
        "1/answer": "A",
        "1/rationale": "a",
        "2/answer": "A",
        "2/rationale": "B",
    }
    answers |= {"3/answer": "A", "3/rationale": None}
    combined = combine_rows([_result(*each) for each in answers.items()], SCORERS["exact"])
    (metric,) = compute_metrics(combined, {"published": SCORERS["exact"]})
    assert metric.score == pytest.approx(1 / 3)
    assert (metric.count, metric.failed) == (3, 1)


def test_rows_are_distinguished_by_their_complete_id() -> None:
    """An id may contain a slash, and SampleBatch numbers an id that repeats."""
    answers = {"train/1": None, "train/2": None, "a/answer": "A", "a/rationale": "A"}
    answers |= {"a/answer~2": "A", "a/rationale~2": "B"}
    combined = combine_rows([_result(*each) for each in answers.items()], SCORERS["exact"])
    assert [(result.id, result.answer) for result in combined] == [
        ("train/1", None), ("train/2", None), ("a", "yes"), ("a~2", "no"),
    ]  # fmt: skip


def test_a_row_that_cannot_be_asked_is_not_a_part_of_another_row_with_its_id() -> None:
    answers = {"1/answer": "A", "1/rationale": "A", "1": None}
    combined = combine_rows([_result(*each) for each in answers.items()], SCORERS["exact"])
    assert [result.answer for result in combined] == ["yes", None]


@pytest.mark.parametrize("coordinate", [float("nan"), 10**400, 1e300], ids=["nan", "huge", "far"])
def test_a_polygon_without_a_place_is_the_error_of_its_row(
    tmp_path: Path, coordinate: float
) -> None:
    data = files.vcr(tmp_path, 2)
    meta = json.loads((data / "vcr1images/0.json").read_text())
    meta["segms"][0] = [[[coordinate, 10], [20, 10], [20, 80]]]
    (data / "vcr1images/0.json").write_text(json.dumps(meta))
    broken, *others = load(DatasetOptions(data))
    assert "0.json is not a meta file of VCR" in str(broken.error)
    assert [sample.error for sample in others] == [None, None]


def test_a_point_is_on_an_object_that_does_not_cover_the_center_of_its_box(
    tmp_path: Path,
) -> None:
    """The object has the shape of the letter L."""
    corner = [[10, 10], [20, 10], [20, 80], [90, 80], [90, 90], [10, 90]]
    data = files.vcr(tmp_path, 1)
    meta = json.loads((data / "vcr1images/0.json").read_text())
    meta["boxes"][0], meta["segms"][0] = [10, 10, 90, 90, 1.0], [corner]
    (data / "vcr1images/0.json").write_text(json.dumps(meta))
    sample = next(load(DatasetOptions(data)))
    x, y = (coordinate.value for coordinate in sample.marks[0].parts[0])
    assert (10 < x < 20 and 10 < y < 90) or (10 < x < 90 and 80 < y < 90)
