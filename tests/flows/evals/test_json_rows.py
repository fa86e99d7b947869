"""Rows of Visual7W, PointQA and VCR that cannot be asked, and folders with other files."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.support import benchmark_files as files
from tests.support.evals import QUIET, read_records

pytestmark = pytest.mark.model

Change = Callable[[dict[str, Any]], Any]
OUTSIDE = [5000, 5000, 6000, 6000]


def _with(fields: Mapping[str, Any]) -> Change:
    return lambda row: {**row, **fields}


BAD_ROWS: list[tuple[str, Change, str]] = [
    ("visual7w", _with({"image": "gone.png"}), "there is no gone.png"),
    ("visual7w", _with({"answer": [1, 2, 3, 4]}), "one of the bboxes"),
    (
        "visual7w",
        _with({"bboxes": [OUTSIDE] * 3 + [[1, 2, 3, 4]], "answer": [1, 2, 3, 4]}),
        "outside",
    ),
    ("visual7w", _with({"bboxes": [[1, 2, 3, 4]] * 4, "answer": [1, 2, 3, 4]}), "found two"),
    ("visual7w", _with({"bboxes": [[1, 2, 3]] * 4}), "expected a box"),
    ("visual7w", _with({"bboxes": "none"}), 'expected "bboxes" with 4'),
    ("visual7w", _with({"question": 7}), 'expected a text "question"'),
    ("visual7w", lambda row: "text", "is not an object"),
    ("pointqa", _with({"bboxes": []}), 'expected "bboxes" with 1'),
    ("pointqa", _with({"answer": None}), 'expected a text "answer"'),
    ("vcr", _with({"question": ["Who", "is", [9], "?"]}), "names object 9"),
    ("vcr", _with({"question": "Who?"}), 'expected "question", a list'),
    ("visual7w", _with({"bboxes": [[1, 2, 10**400, 4]] * 4}), "found [1, 2, a huge number, 4]"),
    ("vcr", _with({"answer_label": 4}), "a number from 0 to 3"),
    ("vcr", _with({"meta_dir": "gone.json"}), "there is no gone.json"),
    ("vcr", _with({"meta_dir": "rows.json"}), "is not a meta file"),
    ("vcr", _with({"answer_choices": [["one"]]}), "with 4 choices"),
]


@pytest.mark.parametrize("name", ["visual7w", "pointqa", "vcr"])
def test_rows_that_cannot_be_asked_have_records_and_count_as_failed(
    run: Run, tmp_path: Path, name: str
) -> None:
    write: Callable[[Path, int], Path] = getattr(files, name)
    data, out = write(tmp_path / "data", 1), tmp_path / "out"
    (good,) = json.loads((data / "rows.json").read_text())
    changes = [(change, message) for of, change, message in BAD_ROWS if of == name]
    bad = [change({**good, "id": f"bad-{number}"}) for number, (change, _) in enumerate(changes)]
    files.write_rows(data, [*bad, {**good, "id": None}])
    result = run("eval", name, "--data", data, "--out", out, "--json", *QUIET)
    assert result.code == 6, result.stderr
    scores = json.loads(result.stdout)
    records = read_records(out)
    assert all(
        f"{len(bad) + 1}" in id for id in list(records)[len(bad) :]
    )  # without an id: its number
    failed = [record for record in records.values() if record["error"]]
    assert len(failed) == scores["failed"] == len(bad)
    for record, (_, message) in zip(failed, changes, strict=True):
        assert message in record["error"]["message"]
        assert record["extra"]["scores"] == {"published": 0.0, "lenient": 0.0}
    for metric in scores["figures"]:
        assert (metric["of"], metric["failed"]) == (len(bad) + 1, len(bad))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "there is no folder"),
        (lambda folder: folder.mkdir(), "has no JSON file"),
        (lambda folder: files.write_rows(files.write_rows(folder, []), [], "b.json"), "several"),
        (lambda folder: files.write_rows(folder, {"a": 1}), "is not a JSON array"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("name", ["visual7w", "vcr"])
def test_the_error_for_another_folder_states_the_expected_files(
    run: Run, tmp_path: Path, name: str, make: Callable[[Path], object], message: str
) -> None:
    make(tmp_path / "data")
    result = run("eval", name, "--data", tmp_path / "data", "--out", tmp_path / "out", *QUIET)
    assert (result.code, result.stdout) == (3, "")
    assert message in result.stderr
    assert "expected" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_an_empty_array_of_rows_is_an_error(run: Run, tmp_path: Path) -> None:
    data = files.write_rows(tmp_path / "data", [])
    result = run("eval", "pointqa", "--data", data, "--out", tmp_path / "out", *QUIET)
    assert (result.code, result.stdout) == (3, "")
    assert f"{data} has no rows" in result.stderr


def test_a_run_may_keep_its_files_beside_the_data(run: Run, tmp_path: Path) -> None:
    data = files.pointqa(tmp_path / "data", 1)
    for style in ("drawn", "all", "drawn"):
        result = run(
            "eval", "pointqa", "--data", data, "--out", data, "--mark-style", style, *QUIET
        )
        assert (result.code, result.stderr) == (0, "")
