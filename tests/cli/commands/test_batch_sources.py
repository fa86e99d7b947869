"""The options of `batch` that say how to read a source."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from vipllava_cli.errors import ExitCode

CASES = ROOT / "tests" / "fixtures" / "cases"
ASKED = "would ask\ta.jpg#1\tWhat is the object within the red rectangle?\n"


def test_images_names_the_folder_of_the_images(tmp_path: Path, run: Run) -> None:
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", elsewhere)
    source = shutil.copy(CASES / "01-coco-float-ids" / "ann.json", tmp_path)
    common = ("batch", source, "--out", tmp_path / "r.jsonl", "--dry-run")
    without = run(*common)
    assert "--images DIR" in without.stdout
    assert "1 would fail" in without.stderr
    assert run(*common, "--images", elsewhere.parent).stdout == ASKED
    missing = run(*common, "--images", tmp_path / "no")
    assert missing.code == ExitCode.INPUT
    assert "--images" in missing.stderr


def test_encoding_reads_a_file_that_is_not_utf8(tmp_path: Path, run: Run) -> None:
    source = CASES / "12c-coco-gbk" / "ann.json"
    common = ("batch", source, "--out", tmp_path / "r.jsonl", "--dry-run")
    asked = run(*common, "--encoding", "gbk", "--question", "is {1} a {label}?")
    assert "a 螺栓?" in asked.stdout
    for wrong in ("klingon", "hex"):
        finished = run(*common, "--encoding", wrong)
        assert finished.code == ExitCode.USAGE
        assert wrong in finished.stderr


def test_coco_names_the_images_of_results(tmp_path: Path, run: Run) -> None:
    results = CASES / "13-coco-results"
    named = CASES / "01-coco-float-ids" / "ann.json"
    common = ("batch", results / "bbox_results.json", "--out", tmp_path / "r.jsonl", "--dry-run")
    assert run(*common, "--coco", named, "--images", results).stdout == ASKED
    assert run(*common).code == ExitCode.INPUT


def test_a_scaled_mark_is_noted(tmp_path: Path, run: Run) -> None:
    source = CASES / "10-coco-resized" / "ann.json"
    finished = run("batch", source, "--out", tmp_path / "r.jsonl", "--dry-run")
    assert "640x480" in finished.stderr
    assert "160x120" in finished.stderr


def test_a_question_that_uses_a_missing_label_fails_its_row(tmp_path: Path, run: Run) -> None:
    source = CASES / "08-coco-unlisted-category" / "ann.json"
    common = ("batch", source, "--out", tmp_path / "r.jsonl", "--dry-run")
    assert run(*common).stdout.count("would ask\t") == 3
    states = [
        line.split("\t")[0]
        for line in run(*common, "--question", "is {1} a {label}?").stdout.splitlines()
    ]
    assert states == ["would fail", "would fail", "would ask"]


@pytest.mark.parametrize("source", ["09-coco-exif", "53-yolo-float-class"])
def test_images_is_refused_where_the_source_contains_its_images(
    tmp_path: Path, run: Run, source: str
) -> None:
    options = ("--format", "folder", "--images", tmp_path, "--out", tmp_path / "r.jsonl")
    finished = run("batch", CASES / source, "--dry-run", *options)
    assert finished.code == ExitCode.USAGE
    assert "--images" in finished.stderr


def test_units_are_those_of_the_source_without_marks_of_options(tmp_path: Path, run: Run) -> None:
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", tmp_path)
    manifest = tmp_path / "m.csv"
    manifest.write_text('image,box,question\na.jpg,"50,50,90,90",what?\n')
    common = ("batch", manifest, "--dry-run", "--units", "unit", "--out", tmp_path / "r.jsonl")
    assert run(*common).stdout.startswith("would fail")  # 50 times the width
    assert run(*common, "--box", "0.1,0.1,0.2,0.2").stdout.startswith("would ask")


@pytest.mark.model
def test_an_embedded_image_is_asked_and_not_kept(tmp_path: Path, run: Run) -> None:
    source, page = CASES / "33-labelme-imagedata-only", tmp_path / "r.html"
    finished = run("batch", source, "--out", tmp_path / "r.jsonl", "--report", page)
    assert finished.code == ExitCode.DONE, finished.stderr
    encoded = json.loads((source / "a.json").read_text())["imageData"]
    assert encoded not in page.read_text() + finished.stdout + finished.stderr
    assert "was in a data: address and was not kept" in page.read_text()
