"""`vipllava batch` with the shipped model."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import SAMPLES, Run, open_once
from tests.support.batch import read_answers
from vipllava_cli.engine.base import Engine
from vipllava_cli.flows.ask import ask
from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    SIMPLE,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json
from vipllava_cli.marks.marked_image import MarkedImage, open_image
from vipllava_cli.storage.journal import read_journal
from vipllava_cli.storage.records import Record

pytestmark = pytest.mark.model


@pytest.fixture(autouse=True)
def _share_engines(opened_once: None) -> None:
    """Load each model once for all tests."""


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.fixture
def engine() -> Engine:
    return open_once("tiny", device="cpu")


def write_scenes(folder: Path, count: int) -> list[dict[str, Any]]:
    """Write held-out scenes. Returns manifest rows with a question about each mark."""
    rows = []
    for number in range(count):
        rng = scene_rng(HELD_OUT, 5000 + number)
        marked = mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE)
        name = f"scene-{number}.png"
        marked.scene.image.save(folder / name)
        marks = [mark_to_json(mark) for mark in marked.marks]
        questions = [f"What is {{{place}}}?" for place in range(1, len(marks) + 1)]
        rows.append({"image": name, "marks": marks, "questions": questions})
    return rows


def test_a_batch_equals_single_questions(
    tmp_path: Path, run: Run, engine: Engine, out: Path
) -> None:
    rows = write_scenes(tmp_path, 8)
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("".join(json.dumps(row) + "\n" for row in rows))
    finished = run("batch", manifest, "--out", out, "--model", "tiny", "-q")
    assert (finished.code, finished.stdout) == (0, "")
    records = list(read_journal(out))
    single: list[Record] = []
    for row in rows:
        file = open_image(str(tmp_path / row["image"]))
        marks = resolve_coordinates(
            [mark_from_json(mark) for mark in row["marks"]], *file.size
        ).marks
        for record in records[len(single) : len(single) + len(marks)]:
            single += ask(engine, MarkedImage(file, marks), [record["question"]])
    assert [record["answer"] for record in records] == [one.answer for one in single]
    assert [record["key"] for record in records] == [one.request.key for one in single]


FORMATS = ("jsonl", "coco", "labelme", "voc", "yolo")


@pytest.mark.parametrize("format", FORMATS[1:])
def test_the_same_regions_in_any_format_give_equal_answers(
    tmp_path: Path, run: Run, format: str
) -> None:
    """The boxes have integer corners, so that no format rounds them."""
    scenes = [_make_scene(number) for number in range(3)]
    answers = {}
    for name in (FORMATS[0], format):
        folder = tmp_path / name
        folder.mkdir()
        source = _WRITERS[name](folder, scenes)
        out = tmp_path / f"{name}.out.jsonl"
        flags = ("--question", "What is {1}?", "--model", "tiny", "-q")
        assert run("batch", source, "--out", out, *flags).code == 0
        answers[name] = [
            (Path(record["image"]).name, record["marks"][0]["coords"], record["answer"])
            for record in read_journal(out)
        ]
    assert sorted(answers[format]) == sorted(answers[FORMATS[0]])
    assert len(answers[format]) == sum(len(boxes) for _, _, boxes in scenes)


Boxes = list[tuple[int, int, int, int]]
Scenes = list[tuple[str, Image.Image, Boxes]]


def _make_scene(number: int) -> tuple[str, Image.Image, Boxes]:
    """Make an image with a box around each object: left, top, right, bottom."""
    scene = make_scene(scene_rng(HELD_OUT, 7000 + number), SIMPLE)
    bounds = [tuple(round(edge) for edge in placement.box) for placement in scene.placements]
    return f"scene{number}.png", scene.image, [(a, b, c, d) for a, b, c, d in bounds]


def _save_images(folder: Path, scenes: Scenes) -> None:
    folder.mkdir(exist_ok=True)
    for name, image, _ in scenes:
        image.save(folder / name)


def _write_jsonl(folder: Path, scenes: Scenes) -> Path:
    _save_images(folder, scenes)
    rows = [
        {"image": name, "marks": [{"shape": "box", "coords": list(box)}]}
        for name, _, boxes in scenes
        for box in boxes
    ]
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _write_coco(folder: Path, scenes: Scenes) -> Path:
    _save_images(folder, scenes)
    annotations = [
        {"image_id": image, "category_id": 1, "bbox": [a, b, c - a, d - b]}
        for image, (_, _, boxes) in enumerate(scenes)
        for a, b, c, d in boxes
    ]
    images = [{"id": image, "file_name": name} for image, (name, _, _) in enumerate(scenes)]
    categories = [{"id": 1, "name": "thing"}]
    full = {"images": images, "annotations": annotations, "categories": categories}
    path = folder / "instances.json"
    path.write_text(json.dumps(full))
    return path


def _write_labelme(folder: Path, scenes: Scenes) -> Path:
    _save_images(folder, scenes)
    for name, _, boxes in scenes:
        shapes = [
            {"label": "thing", "shape_type": "rectangle", "points": [[a, b], [c, d]]}
            for a, b, c, d in boxes
        ]
        path = (folder / name).with_suffix(".json")
        path.write_text(json.dumps({"shapes": shapes, "imagePath": name}))
    return folder


def _write_voc(folder: Path, scenes: Scenes) -> Path:
    _save_images(folder / "JPEGImages", scenes)
    (folder / "Annotations").mkdir()
    for name, _, boxes in scenes:
        objects = "".join(
            f"<object><name>thing</name><bndbox><xmin>{a + 1}</xmin><ymin>{b + 1}</ymin>"
            f"<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>"
            for a, b, c, d in boxes
        )
        text = f"<annotation><filename>{name}</filename>{objects}</annotation>"
        (folder / "Annotations" / name).with_suffix(".xml").write_text(text)
    return folder


def _write_yolo(folder: Path, scenes: Scenes) -> Path:
    _save_images(folder / "images", scenes)
    (folder / "labels").mkdir()
    (folder / "classes.txt").write_text("thing\n")
    for name, image, boxes in scenes:
        wide, high = image.size
        lines = [
            f"0 {(a + c) / 2 / wide} {(b + d) / 2 / high} {(c - a) / wide} {(d - b) / high}\n"
            for a, b, c, d in boxes
        ]
        (folder / "labels" / name).with_suffix(".txt").write_text("".join(lines))
    return folder


_WRITERS = dict(
    zip(FORMATS, (_write_jsonl, _write_coco, _write_labelme, _write_voc, _write_yolo), strict=True)
)


def test_the_command_of_the_readme_works_twice(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(SAMPLES, tmp_path / "sample_images")
    monkeypatch.chdir(tmp_path)
    first = run("batch", "sample_images/", "--out", "results.jsonl")
    assert first.code == 0
    images = [path for path in SAMPLES.iterdir() if path.suffix != ".md"]
    assert len(read_answers(Path("results.jsonl"))) == len(images)
    assert '"Describe this image."' in first.stderr
    second = run("batch", "sample_images/", "--out", "results.jsonl")
    assert second.code == 0
    words = " ".join(second.stderr.split())
    assert f"0 answered {len(images)} kept from an earlier run" in words


def test_failed_rows_give_exit_code_6(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in" / "good.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"")
    finished = run("batch", tmp_path / "in", "-o", tmp_path / "r.csv", "--question", "what is it?")
    assert finished.code == 6
    assert "1 row failed: bad.png: " in finished.stderr
    with (tmp_path / "r.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["id"] for row in table] == ["bad.png", "good.png"]
    assert "is empty" in table[0]["error"]
    assert table[1]["answer"]


def test_parquet_holds_the_same_rows(tmp_path: Path, run: Run) -> None:
    import pyarrow.parquet as pq

    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in" / "good.png")
    out = tmp_path / "r.parquet"
    box = ["--box", "1,1,90,90", "--question", "what is {1}?", "-q"]
    assert run("batch", tmp_path / "in", "-o", out, *box).code == 0
    row = pq.read_table(out).to_pylist()[0]
    record = next(read_journal(tmp_path / "r.parquet.jsonl"))
    assert row["answer"] == record["answer"]
    assert json.loads(row["marks"]) == record["marks"]
    assert row["width"] == record["width"]


def test_fresh_keeps_the_old_file_until_the_first_new_answer(tmp_path: Path, run: Run) -> None:
    out = tmp_path / "r.jsonl"
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in")
    assert run("batch", tmp_path / "in", "--out", out, "-q").code == 0
    before = out.read_bytes()
    again = ("batch", tmp_path / "in", "--out", out, "--fresh", "--force", "-q")
    assert run(*again, "--dry-run").code == 0
    absent = "mps" if torch.cuda.is_available() else "cuda"
    assert run(*again, "--device", absent).code == 4
    assert out.read_bytes() == before


def test_a_finished_run_replaces_its_report_and_another_file_only_with_force(
    tmp_path: Path, run: Run
) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in")
    out, report = tmp_path / "r.jsonl", tmp_path / "r.html"
    command = ("batch", tmp_path / "in", "--out", out, "--report", report)
    assert run(*command, "-q").code == 0
    page, answers = report.read_bytes(), out.read_bytes()
    assert run(*command).code == 0
    assert report.read_bytes() == page
    report.write_text("changed")
    again = run(*command)
    assert again.code == 3
    assert "add --force to overwrite the page" in again.stderr
    assert report.read_text() == "changed"
    forced = run(*command, "--force")
    assert forced.code == 0
    assert "0 answered" in " ".join(forced.stderr.split())
    assert report.read_bytes() == page
    assert out.read_bytes() == answers


def test_a_note_shortens_a_long_row_id(tmp_path: Path, run: Run) -> None:
    row = {"image": str(SAMPLES / "garden.png"), "id": "x" * 100_000}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    finished = run("batch", tmp_path / "rows.jsonl", "--out", tmp_path / "r.jsonl")
    assert finished.code == 0
    assert max(map(len, finished.stderr.splitlines())) < 500


def test_columns_fill_placeholders_of_the_command_line(tmp_path: Path, run: Run) -> None:
    shutil.copy(SAMPLES / "garden.png", tmp_path)
    table = tmp_path / "rows.csv"
    table.write_text("image,box,animal\ngarden.png,'',lion\n".replace("''", '"1,1,90,90"'))
    finished = run(
        "batch", table, "--out", tmp_path / "r.jsonl", "--question", "is {1} a {animal}?", "-q"
    )
    assert finished.code == 0
    record = next(read_journal(tmp_path / "r.jsonl"))
    assert record["question"] == "is the object within the red rectangle a lion?"
    assert record["extra"] == {"animal": "lion"}
    wrong = run("batch", table, "--out", tmp_path / "w.jsonl", "--question", "is it a {beast}?")
    assert wrong.code == 6
    assert "the row has only" in next(read_journal(tmp_path / "w.jsonl"))["error"]["message"]


def test_save_marked_writes_the_marked_images(tmp_path: Path, run: Run) -> None:
    (tmp_path / "in").mkdir()
    shutil.copy(SAMPLES / "garden.png", tmp_path / "in")
    folder = tmp_path / "marked"
    flags = ["--box", "10,10,90,90", "--save-marked", folder, "-q"]
    assert run("batch", tmp_path / "in", "--out", tmp_path / "r.jsonl", *flags).code == 0
    (path,) = folder.iterdir()
    assert path.name == "garden.png.png"
    plain = np.asarray(Image.open(SAMPLES / "garden.png").convert("RGB")).astype(int)
    assert (np.asarray(Image.open(path)).astype(int) != plain).any()
