"""The notes of `vipllava batch`: one line for each kind."""

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


def write_shares(kind: str, tmp_path: Path) -> Path:
    """Write a source whose box is in shares of the sides, 20,30 - 60,55 in pixels."""
    Image.new("RGB", (160, 120), "white").save(tmp_path / "a.png")
    box = [0.125, 0.25, 0.375, 0.4583333]
    size = [box[2] - box[0], box[3] - box[1]]
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [*box[:2], *size]}],
        "categories": [{"id": 1, "name": "bolt"}],
    }
    manifest = [{"image": "a.png", "marks": [{"shape": "box", "coords": box}]}] * 2
    columns = [{"image": "a.png", "bbox": [*box[:2], *size]}] * 2
    source = tmp_path / "source.json"
    source.write_text(json.dumps({"manifest": manifest, "columns": columns, "coco": coco}[kind]))
    return source


@pytest.mark.parametrize("options", [("--dry-run",), pytest.param((), marks=pytest.mark.model)])
def test_regions_too_small_for_the_model_are_noted_once(
    options: tuple[str, ...], tmp_path: Path, out: Path, run: Run
) -> None:
    Image.new("RGB", (640, 480), "white").save(tmp_path / "a.png")
    marks = [f'{{"shape": "box", "coords": [{x}, 50, {x + 20}, 70]}}' for x in (50, 150, 250)]
    marks.append('{"shape": "box", "coords": [100, 100, 300, 300]}')
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"image": "a.png", "marks": [{mark}]}}\n' for mark in marks))
    finished = run("batch", rows, "--out", out, "--question", "what is {1}?", *options)
    small = "a.png: the red box is smaller than one patch of the model's view: add --zoom"
    notes = [line for line in finished.stderr.splitlines() if "smaller than one patch" in line]
    assert notes[-1] == f"note: 3 rows, like {small}"
    assert notes[:-1] == ([] if options else [f"note: {small}"])
    zoomed = run("batch", rows, "--out", out, "--question", "what is {1}?", "--dry-run", "--zoom")
    assert "smaller than one patch" not in zoomed.stderr


@pytest.mark.parametrize("kind", ["manifest", "columns", "coco"])
def test_shares_taken_for_pixels_suggest_the_unit(
    kind: str, tmp_path: Path, out: Path, run: Run
) -> None:
    source = write_shares(kind, tmp_path)
    command = ("batch", source, "--out", out, "--question", "what is {1}?")
    finished = run(*command, "--dry-run")
    [note] = [line for line in finished.stderr.splitlines() if "--units unit" in line]
    assert ("2 rows, like " in note) == (kind != "coco")
    # The advice works as it is written.
    assert "--units" not in run(*command, "--dry-run", "--units", "unit").stderr


@pytest.mark.model
def test_the_unit_applies_to_an_annotation_file(tmp_path: Path, out: Path, run: Run) -> None:
    source = write_shares("coco", tmp_path)
    run("batch", source, "--out", out, "--question", "what is {1}?", "--units", "unit")
    mark = json.loads(out.read_text().splitlines()[0])["marks"][0]
    assert mark["coords"] == [20, 30, 60, 55]


def test_a_word_for_the_image_is_dropped_with_one_note(tmp_path: Path, out: Path, run: Run) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (16, 12)).save(tmp_path / name)
    finished = run(
        "batch", tmp_path, "--out", out, "--question", "<image>\nwhat is it?", "--dry-run"
    )
    assert finished.stdout == "would ask\ta.png\twhat is it?\nwould ask\tb.png\twhat is it?\n"
    assert (
        "note: 2 rows, like a.png: dropped <image> from the question: the prompt has the image"
        " already\n" in finished.stderr
    )


@pytest.mark.model
def test_marks_that_look_alike_get_numbers_and_keep_their_answers(
    tmp_path: Path, out: Path, run: Run
) -> None:
    Image.new("RGB", (160, 120), "white").save(tmp_path / "a.png")
    marks = [{"shape": "box", "coords": [x, 30, x + 30, 55], "color": "red"} for x in (20, 60, 100)]
    rows = tmp_path / "rows.json"
    rows.write_text(json.dumps([{"image": "a.png", "marks": marks}]))
    command = ("batch", rows, "--out", out, "--question", "what is {2}?")
    assert "drew numbers beside the marks" in run(*command).stderr
    record = json.loads(out.read_text())
    assert record["numbers"] is True
    assert record["question"] == "what is the object within the red rectangle numbered 2?"
    assert "1 kept" in " ".join(run(*command).stderr.split())
