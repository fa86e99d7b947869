"""Sources in archives, images in `data:` addresses, and lists of COCO results."""

import base64
import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Finished, Run
from tests.support.exports import mark, points, read_regions, record, write_image, write_records
from vipllava_cli.flows.export.formats import ExportFormat
from vipllava_cli.images.source import record_name
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.read_options import ReadOptions

BOX = [20, 30, 60, 55]
SUFFIXES = {"cvat": ".xml", "csv": ".csv"}


def out_of(folder: Path, format: str) -> Path:
    is_folder = format in ("labelme", "voc", "yolo", "fiftyone")
    return folder / (f"out{'' if is_folder else SUFFIXES.get(format, '.json')}")


def export(run: Run, folder: Path, format: str, *options: str | Path) -> tuple[Path, Finished]:
    out = out_of(folder, format)
    ended = run("export", folder / "results.jsonl", "--to", format, "-o", out, *options)
    return out, ended


def coco_content(image: str) -> dict[str, Any]:
    left, top, right, bottom = BOX
    box = {
        "id": 41,
        "image_id": 1,
        "category_id": 3,
        "bbox": [left, top, right - left, bottom - top],
    }
    return {
        "images": [{"id": 1, "file_name": image, "width": 200, "height": 100}],
        "annotations": [box],
        "categories": [{"id": 3, "name": "bolt"}],
        "custom": 5,
    }


def write_archive(folder: Path) -> Path:
    """Write an archive as CVAT exports COCO, and the record about its region."""
    image = write_image(folder / "a.jpg")
    archive = folder / "export.zip"
    with ZipFile(archive, "w") as file:
        file.writestr("annotations/instances_default.json", json.dumps(coco_content("a.jpg")))
        file.write(image, "images/default/a.jpg")
    image.unlink()
    row = record(
        archive / "images/default/a.jpg",
        "images/default/a.jpg#1",
        mark("box", BOX, label="bolt"),
        extra={"label": "bolt"},
    )
    write_records(folder / "results.jsonl", row)
    return archive


@pytest.mark.parametrize("format", [format.value for format in ExportFormat])
@pytest.mark.parametrize("has_source", [True, False])
def test_images_in_an_archive_are_read_again(
    format: str, has_source: bool, tmp_path: Path, run: Run
) -> None:
    archive = write_archive(tmp_path)
    before = archive.read_bytes()
    out, ended = export(run, tmp_path, format, *(("--source", archive) if has_source else ()))
    assert ended.code == 0, ended
    assert archive.read_bytes() == before
    assert ("in an archive" in ended.stderr) == (format != "yolo")  # which has copies
    is_copy = has_source and format == "coco"
    assert ("another folder: batch finds them with --images" in ended.stderr) == is_copy
    options = ReadOptions((str(archive),) if is_copy else ())
    ((row, (found,)),) = read_regions(out, options=options)
    assert np.allclose(points(found), [BOX], atol=1e-6)
    assert (row.extra.get("label") or found.label) == "bolt"


@pytest.mark.parametrize("inner", ["", "/annotations/instances_default.json"])
def test_a_source_in_an_archive_is_copied_with_the_answers(
    inner: str, tmp_path: Path, run: Run
) -> None:
    archive = write_archive(tmp_path)
    out, ended = export(run, tmp_path, "coco", "--source", f"{archive}{inner}")
    assert ended.code == 0, ended
    content = json.loads(out.read_text())
    assert content["custom"] == 5
    (annotation,) = content["annotations"]
    assert (annotation["id"], annotation["attributes"]["answer"]) == (41, "metal")


def test_a_folder_with_the_archive_is_never_replaced(tmp_path: Path, run: Run) -> None:
    archive = write_archive(tmp_path)
    inside = tmp_path / "labels"
    inside.mkdir()
    moved = archive.rename(inside / "export.json")  # a suffix that the format has
    rows = (tmp_path / "results.jsonl").read_text().replace(str(archive), str(moved))
    (tmp_path / "results.jsonl").write_text(rows)
    arguments = ("export", tmp_path / "results.jsonl", "--to", "labelme", "-o", inside, "--force")
    ended = run(*arguments, "--source", f"{moved}/annotations/instances_default.json")
    assert ended.code == 3
    assert "is replaced" in ended.stderr
    assert moved.exists()


def address_of(folder: Path) -> str:
    image = write_image(folder / "a.png")
    return f"data:image/png;base64,{base64.b64encode(image.read_bytes()).decode()}"


@pytest.mark.parametrize("format", [format.value for format in ExportFormat])
def test_data_addresses_come_from_the_source(format: str, tmp_path: Path, run: Run) -> None:
    """Records hold only the beginning of an address."""
    address = address_of(tmp_path)
    source = tmp_path / "rows.jsonl"
    source.write_text(json.dumps({"id": "one", "image": address, "marks": [mark("box", BOX)]}))
    write_records(tmp_path / "results.jsonl", record(record_name(address), "one", mark("box", BOX)))
    out, ended = export(run, tmp_path, format, "--source", source)
    assert ended.code == 0, ended
    ((row, (found,)),) = read_regions(out)
    assert np.allclose(points(found), [BOX], atol=1e-6)
    assert len(row.id) < 100  # no address as a whole


@pytest.mark.parametrize("format", ["coco", "labelme", "cvat"])
def test_a_shortened_address_is_named_in_a_note(format: str, tmp_path: Path, run: Run) -> None:
    name = record_name(address_of(tmp_path))
    write_records(tmp_path / "results.jsonl", record(name, "one", mark("box", BOX)))
    out, ended = export(run, tmp_path, format)
    assert "1 image in data: addresses, of which records hold only the beginning" in ended.stderr
    (row,) = read_source(str(out)).rows
    assert "embedded" not in row.image


def test_values_of_one_label_map_are_several_regions(tmp_path: Path, run: Run) -> None:
    write_image(tmp_path / "a.jpg")
    pixels = np.zeros((100, 200), np.uint8)
    pixels[10:30, 10:50], pixels[60:90, 100:150] = 1, 2
    Image.fromarray(pixels).save(tmp_path / "map.png")
    rows = [
        {"image": "a.jpg", "marks": [{"shape": "mask", "file": "map.png", "value": value}]}
        for value in (1, 2)
    ]
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    _, (_, (second,)) = read_regions(manifest)
    row = record(tmp_path / "a.jpg", "line 2", mark("mask", points(second)))
    write_records(tmp_path / "results.jsonl", row)
    out, ended = export(run, tmp_path, "coco", "--source", manifest)
    assert ended.code == 0, ended
    found = [marks[0].bounds for _, marks in read_regions(out)]
    assert np.allclose(found, [(10, 10, 50, 30), (100, 60, 150, 90)], atol=0.5)


def test_results_get_the_names_of_their_coco_file(tmp_path: Path, run: Run) -> None:
    write_image(tmp_path / "a.jpg")
    results = tmp_path / "detections.json"
    results.write_text(
        json.dumps([{"image_id": 1, "category_id": 3, "bbox": [20, 30, 40, 25], "score": 0.5}])
    )
    content = {**coco_content("a.jpg"), "annotations": []}
    (tmp_path / "instances.json").write_text(json.dumps(content))
    row = record(tmp_path / "a.jpg", "a.jpg#1", mark("box", BOX, label="bolt"))
    write_records(tmp_path / "results.jsonl", row)
    coco = ("--coco", tmp_path / "instances.json")
    out, ended = export(run, tmp_path, "voc", "--source", results, *coco)
    assert ended.code == 0, ended
    ((read, (found,)),) = read_regions(out)
    assert (read.extra["label"], read.extra["score"], points(found)) == ("bolt", "0.5", [BOX])
    ended = run("export", tmp_path / "results.jsonl", "--to", "voc", "-o", tmp_path / "v", *coco)
    assert ended.code == 2
    assert "--source" in ended.stderr


@pytest.mark.parametrize("format", ["labelme", "voc", "yolo"])
def test_images_with_the_longest_names_have_files_of_their_own(
    tmp_path: Path, run: Run, format: str
) -> None:
    names = ("\u00e9" * 125 + "a.jpg", "\u00e9" * 125 + "b.jpg")
    images = [write_image(tmp_path / "in" / name) for name in names]
    rows = [record(image, image.name, mark("box", BOX), extra={"label": "a"}) for image in images]
    write_records(tmp_path / "results.jsonl", *rows)
    out, ended = export(run, tmp_path, format)
    assert ended.code == 0, ended.stderr
    assert len(read_regions(out)) == 2
