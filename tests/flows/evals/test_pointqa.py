"""PointQA-LookTwice: the questions, the mark, and the scores."""

import json
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support import benchmark_files as files
from tests.support.evals import QUIET, find_score, read_records

pytestmark = pytest.mark.model


def test_a_row_is_a_red_box_and_a_question_for_a_phrase(run: Run, tmp_path: Path) -> None:
    data, out = files.pointqa(tmp_path / "data", 4), tmp_path / "out"
    result = run("eval", "pointqa", "--data", data, "--out", out, "--json", *QUIET)
    assert result.code == 0, result.stderr
    rows = {row["id"]: row for row in json.loads((data / "rows.json").read_text())}
    exact = lenient = 0
    for id, record in read_records(out).items():
        assert record["question"] == (
            "what is the object in the red box? The exemplary object is within the rectangle.\n"
            "Answer the question using a single word or phrase."
        )
        (mark,) = record["marks"]
        assert (mark["shape"], mark["color"], mark["coords"]) == (
            "box",
            "red",
            rows[id]["bboxes"][0],
        )
        answer, target = record["answer"].lower().rstrip("."), rows[id]["answer"]
        exact += record["answer"].lower() == target
        lenient += answer.removeprefix("a ").removeprefix("an ") == target
    scores = json.loads(result.stdout)
    assert find_score(scores, "published") == (exact / 4, 4)
    assert find_score(scores, "lenient") == (lenient / 4, 4)
    assert lenient > 0


def test_rows_with_the_same_id_are_different_samples(run: Run, tmp_path: Path) -> None:
    data, out = files.pointqa(tmp_path / "data", 2), tmp_path / "out"
    rows = [{**row, "id": "same"} for row in json.loads((data / "rows.json").read_text())]
    files.write_rows(data, rows)
    result = run("eval", "pointqa", "--data", data, "--out", out, "--json", *QUIET)
    assert find_score(json.loads(result.stdout), "published")[1] == 2
    targets = {record["extra"]["wanted"] for record in read_records(out).values()}
    assert targets == {row["answer"] for row in rows}
