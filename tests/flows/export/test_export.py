"""Where exports go, which records they take, and what they say about images."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.exports import (
    SIZE,
    choice,
    mark,
    read_regions,
    record,
    write_image,
    write_records,
)
from vipllava_cli.flows.export.export import WRITERS
from vipllava_cli.flows.export.formats import ExportFormat

FOLDERS = ("labelme", "voc", "yolo", "fiftyone")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Write a record about an image in a folder of its own."""
    image = write_image(tmp_path / "photos" / "a.jpg")
    return write_records(tmp_path / "results.jsonl", record(image, "a.jpg#1", mark("box")))


def refusal(run: Run, code: int, *arguments: str | Path) -> str:
    """Return the one line of a refused export."""
    ended = run("export", *arguments)
    assert (ended.code, ended.stdout) == (code, "")
    assert ended.stderr.count("\n") == 1
    return ended.stderr


def test_every_format_has_a_writer() -> None:
    assert set(WRITERS) == set(ExportFormat)
    assert {name.value for name, writer in WRITERS.items() if writer.is_folder} == set(FOLDERS)


# --- the output ------------------------------------------------------------------------------


def test_the_records_and_the_source_are_never_overwritten(
    results: Path, tmp_path: Path, run: Run
) -> None:
    source = tmp_path / "source.csv"
    source.write_text("image,x1,y1,x2,y2\nphotos/a.jpg,20.25,10.5,100.75,60.125\n")
    before = source.read_bytes()
    for out in (source, results):
        arguments = (results, "--to", "csv", "-o", out, "--source", source, "--force")
        assert "is an input" in refusal(run, 3, *arguments)
    assert source.read_bytes() == before


@pytest.mark.parametrize("format", FOLDERS)
def test_a_folder_with_other_files_is_never_replaced(
    format: str, results: Path, tmp_path: Path, run: Run
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "thesis.docx").write_text("words")
    message = refusal(run, 3, results, "--to", format, "-o", own, "--force")
    assert "thesis.docx" in message
    assert (own / "thesis.docx").read_text() == "words"


@pytest.mark.parametrize("format", FOLDERS)
def test_a_folder_with_the_images_is_never_replaced(format: str, tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "photos" / "a.jpg")
    results = write_records(tmp_path / "results.jsonl", record(image, "1", mark("box")))
    refusal(run, 3, results, "--to", format, "-o", tmp_path / "photos", "--force")
    assert image.exists()


@pytest.mark.parametrize("format", ["labelme", "voc", "yolo"])
def test_an_earlier_export_is_replaced_as_a_whole(format: str, tmp_path: Path, run: Run) -> None:
    images = [write_image(tmp_path / "photos" / name) for name in ("a.jpg", "b.jpg")]
    rows = [record(image, image.name, mark("box")) for image in images]
    results, out = write_records(tmp_path / "results.jsonl", *rows), tmp_path / "out"
    assert run("export", results, "--to", format, "-o", out).code == 0
    write_records(results, rows[1])
    assert run("export", results, "--to", format, "-o", out, "--force").code == 0
    assert {Path(row.image).name for row, _ in read_regions(out)} == {"b.jpg"}


def test_a_wrong_suffix_is_refused(results: Path, tmp_path: Path, run: Run) -> None:
    message = refusal(run, 2, results, "--to", "cvat", "-o", tmp_path / "a.json")
    assert f"use {tmp_path / 'a.xml'}" in message
    assert "a name without .json" in refusal(
        run, 2, results, "--to", "yolo", "-o", tmp_path / "a.json"
    )
    assert "stdout" in refusal(run, 2, results, "--to", "csv", "-o", "-")


def test_one_file_for_several_images_is_refused(tmp_path: Path, run: Run) -> None:
    images = [write_image(tmp_path / name) for name in ("a.jpg", "b.jpg")]
    rows = (record(image, image.name, mark("box")) for image in images)
    results = write_records(tmp_path / "results.jsonl", *rows)
    arguments = (results, "--to", "labelme", "-o", tmp_path / "a.json")
    assert "there are 2 images" in refusal(run, 2, *arguments)
    assert not (tmp_path / "a.json").exists()


# --- records ---------------------------------------------------------------------------------


def test_a_table_and_standard_input_hold_records(results: Path, tmp_path: Path, run: Run) -> None:
    table = tmp_path / "r.csv"
    table.write_text("id\n1\n")
    (tmp_path / "r.csv.jsonl").write_bytes(results.read_bytes())
    out = tmp_path / "out.json"
    assert run("export", table, "--to", "coco", "-o", out).code == 0
    first = out.read_bytes()
    data = results.read_bytes()
    assert run("export", "-", "--to", "coco", "-o", out, "--force", stdin=data).code == 0
    assert out.read_bytes() == first


def test_fields_are_attributes(tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    fields: dict[str, Any] = {
        "fields": {"material": "metal", "damaged": "no", "text": "M8"},
        "field_probabilities": {"material": {"metal": 0.9, "wood": 0.1}, "damaged": {"no": 0.8}},
    }
    row = record(image, "a.jpg#1", mark("box"), **fields)
    results = write_records(tmp_path / "results.jsonl", row)
    out = tmp_path / "out.json"
    assert run("export", results, "--to", "coco", "-o", out).code == 0
    attributes = json.loads(out.read_text())["annotations"][0]["attributes"]
    assert {name: attributes[name] for name in fields["fields"]} == fields["fields"]
    assert (attributes["material_probability"], attributes["damaged_probability"]) == (0.9, 0.8)
    assert "text_probability" not in attributes


def test_a_field_never_hides_the_model_and_has_a_probability(tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    fields: dict[str, Any] = {
        "fields": {"model": "ford", "new": True, "wheels": 4},
        "field_probabilities": {
            "model": {"ford": 0.7, "audi": 0.3},
            "new": {"yes": 0.9, "no": 0.1},
        },
    }
    results = write_records(
        tmp_path / "results.jsonl", record(image, "a.jpg#1", mark("box"), **fields)
    )
    assert run("export", results, "--to", "coco", "-o", tmp_path / "out.json").code == 0
    (annotation,) = json.loads((tmp_path / "out.json").read_text())["annotations"]
    attributes = annotation["attributes"]
    assert (attributes["model"], attributes["field_model"]) == ("tiny", "ford")
    assert (attributes["field_model_probability"], attributes["new_probability"]) == (0.7, 0.9)
    assert (attributes["new"], attributes["wheels"]) == (True, 4)


def test_fields_of_the_source_are_attributes_and_never_hide_the_answer(
    tmp_path: Path, run: Run
) -> None:
    image = write_image(tmp_path / "a.jpg")
    extra = {"label": "bolt", "answer": "yes", "rotation": 30, "color": "blue", "annotation_id": 17}
    row = record(image, "a.jpg#1", mark("box", label="bolt"), extra=extra)
    results = write_records(tmp_path / "results.jsonl", row)
    out = tmp_path / "out.json"
    assert run("export", results, "--to", "coco", "-o", out).code == 0
    (annotation,) = json.loads(out.read_text())["annotations"]
    attributes = annotation["attributes"]
    assert (attributes["answer"], attributes["extra_answer"]) == ("metal", "yes")
    assert attributes["color"] == "blue"
    assert "rotation" not in attributes
    assert annotation["id"] == 17
    assert read_regions(out)[0][1][0].shape == "box"


def test_failed_rows_without_a_region_are_counted(results: Path, tmp_path: Path, run: Run) -> None:
    error = {"answer": None, "error": {"type": "InputError", "message": "gone"}}
    failed = record("b.jpg", "b.jpg#1", width=None, height=None, **error)
    good = json.loads(results.read_text())
    write_records(results, good, failed)
    ended = run("export", results, "--to", "coco", "-o", tmp_path / "out.json")
    assert "1 failed row without a size of the image: left out" in ended.stderr
    write_records(results, failed)
    message = refusal(run, 3, results, "--to", "coco", "-o", tmp_path / "other.json")
    assert "every row failed" in message


def test_flags_of_labelme_are_the_choices(tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    row = record(image, "1", mark("box"), **choice("yes", "no"))
    results = write_records(tmp_path / "results.jsonl", row)
    out = tmp_path / "a.json"
    assert run("export", results, "--to", "labelme", "-o", out).code == 0
    (shape,) = json.loads(out.read_text())["shapes"]
    assert shape["flags"] == {"yes": True, "no": False}
    assert shape["description"] == "yes"


# --- images ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format", [format.value for format in ExportFormat])
def test_frames_and_embedded_images_are_read_again(format: str, tmp_path: Path, run: Run) -> None:
    frames = [Image.new("RGB", SIZE, color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    still = write_image(tmp_path / "b.png").read_bytes()
    address = f"data:image/png;base64,{base64.b64encode(still).decode()}"
    rows = (
        record(f"{tmp_path / 'a.gif'}#frame=2", "a.gif#1", mark("box")),
        record(address, "line 2", mark("box")),
    )
    results = write_records(tmp_path / "results.jsonl", *rows)
    out = tmp_path / "out"
    ended = run("export", results, "--to", format, "-o", out)
    assert ended.code == 0, ended
    assert ("1 image with #frame=N in the name" in ended.stderr) == (format != "yolo")
    assert len(ended.stderr) < 500  # no address as a whole
    assert len(read_regions(out)) == 2


def test_images_on_the_web_are_not_downloaded(tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    address = "https://example.invalid/b.jpg?size=2"
    rows = (record(image, "1", mark("box")), record(address, "2", mark("box")))
    results = write_records(tmp_path / "results.jsonl", *rows)
    ended = run("export", results, "--to", "yolo", "-o", tmp_path / "yolo")
    assert "1 image cannot be copied, or only from the web: left out" in ended.stderr
    assert run("export", results, "--to", "coco", "-o", tmp_path / "c.json").code == 0
    assert json.loads((tmp_path / "c.json").read_text())["images"][1]["file_name"] == address


def test_records_find_their_images_from_another_folder(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The paths in records are those of the folder in which batch ran."""
    write_image(tmp_path / "work" / "photos" / "a.jpg")
    row = record("photos/a.jpg", "a.jpg#1", mark("box"))
    results = write_records(tmp_path / "work" / "results.jsonl", row)
    (tmp_path / "else").mkdir()
    monkeypatch.chdir(tmp_path / "else")
    assert run("export", results, "--to", "cvat", "-o", "out.xml").code == 0
    ((found, _),) = read_regions(Path("out.xml"))
    assert Path(found.image).resolve() == tmp_path / "work" / "photos" / "a.jpg"


def test_rows_of_llava_are_training_rows(tmp_path: Path, run: Run) -> None:
    image, box = write_image(tmp_path / "a.jpg"), mark("box", label="bolt")
    rows = (
        record(image, "a.jpg#1:q1", box),
        record(image, "a.jpg#1:q2", box, question="is it new?", answer="yes"),
    )
    results = write_records(tmp_path / "results.jsonl", *rows)
    out = tmp_path / "train.jsonl"
    assert run("export", results, "--to", "llava", "-o", out).code == 0
    row = json.loads(out.read_text())
    assert row["conversations"] == [
        {"from": "human", "value": "<image>\nwhat is the object within the red rectangle?"},
        {"from": "gpt", "value": "metal"},
        {"from": "human", "value": "is it new?"},
        {"from": "gpt", "value": "yes"},
    ]
    assert (row["image"], row["bboxes"]) == ("a.jpg", [[20.25, 10.5, 100.75, 60.125]])
    ((read, _),) = read_regions(out)
    assert read.questions == ("what is the object within the red rectangle?", "is it new?")
    assert read.extra["expected"] == ["metal", "yes"]


def test_objects_that_labelme_on_the_web_has_deleted_stay_in_a_copy(
    tmp_path: Path, run: Run
) -> None:
    image = write_image(tmp_path / "a.jpg")
    polygon = "".join(f"<pt><x>{x}</x><y>{y}</y></pt>" for x, y in ((10, 10), (50, 10), (50, 40)))
    objects = "".join(
        f"<object><name>{name}</name><deleted>{flag}</deleted><polygon>{polygon}</polygon></object>"
        for name, flag in (("gone", 1), ("kept", 0))
    )
    source = tmp_path / "a.xml"
    source.write_text(f"<annotation><filename>a.jpg</filename>{objects}</annotation>")
    contour = mark("contour", [10, 10, 50, 10, 50, 40], label="kept")
    results = write_records(tmp_path / "results.jsonl", record(image, "a.jpg#1", contour))
    out = tmp_path / "out.xml"
    ended = run("export", results, "--to", "voc", "--source", source, "-o", out)
    assert ended.code == 0, ended
    assert "<name>gone</name>" in out.read_text()
    [(row, _)] = read_regions(out)
    assert (row.extra["label"], row.extra["answer"]) == ("kept", "metal")
