"""With --source, an export is the file that batch read, with the answers in it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.mask import area

from tests.conftest import Finished, Run
from tests.support.exports import (
    choice,
    mark,
    points,
    read_regions,
    record,
    write_image,
    write_records,
)

BOXES = ([20, 30, 60, 55], [100, 10, 150, 40])


def coco(folder: Path, **image: Any) -> Path:
    """Write a COCO file with fields of other tools, and its image."""
    write_image(folder / "a.jpg", image.pop("orientation", 1))
    annotations = [
        {
            "id": id,
            "image_id": 7,
            "category_id": category,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "attributes": {"color": "blue"},
            "custom": [1, 2],
        }
        for id, category, (x1, y1, x2, y2) in zip((41, 5), (3, 9), BOXES, strict=True)
    ]
    file = folder / "source.json"
    size = {"width": 200, "height": 100, **image}
    content = {
        "info": {"year": 2024},
        "licenses": [{"id": 1, "name": "CC"}],
        "images": [{"id": 7, "file_name": "a.jpg", "license": 1, **size}],
        "annotations": annotations,
        "categories": [{"id": 3, "name": "dog", "supercategory": "x"}, {"id": 9, "name": "cat"}],
        "videos": [],
    }
    file.write_text(json.dumps(content))
    return file


def answers(folder: Path, *more: dict[str, Any]) -> Path:
    """Write records about the two regions."""
    fields = more or ({}, {})
    return write_records(
        folder / "results.jsonl",
        *(
            record(folder / "a.jpg", f"a.jpg#{n}", mark("box", box, label=label), **own)
            for n, (box, label, own) in enumerate(
                zip(BOXES, ("dog", "cat"), fields, strict=True), 1
            )
        ),
    )


def export(run: Run, folder: Path, format: str, out: str, *options: str | Path) -> Finished:
    arguments = ("export", folder / "results.jsonl", "--to", format, "-o", folder / out)
    ended = run(*arguments, "--source", *options)
    assert ended.code == 0, ended
    return ended


def test_coco_keeps_everything_and_gets_attributes(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    before = file.read_bytes()
    answers(tmp_path, choice("dog", "bird"), {"answer": "a wire"})
    export(run, tmp_path, "coco", "out.json", file)
    assert file.read_bytes() == before
    content = json.loads((tmp_path / "out.json").read_text())
    first, second = (annotation["attributes"] for annotation in content["annotations"])
    assert (first["answer"], first["probability"], first["color"]) == ("dog", 0.75, "blue")
    assert (second["answer"], second["model"]) == ("a wire", "tiny")
    for annotation in content["annotations"]:
        annotation["attributes"] = {"color": "blue"}
    assert content == json.loads(before)


def test_coco_is_valid_for_pycocotools(tmp_path: Path, run: Run) -> None:
    """Also without a source: its masks are those of the marks."""
    image = write_image(tmp_path / "a.jpg")
    shapes = ("box", "contour", "mask")
    rows = (record(image, f"a.jpg#{n}", mark(s, label=s)) for n, s in enumerate(shapes, 1))
    results = write_records(tmp_path / "results.jsonl", *rows)
    assert run("export", results, "--to", "coco", "-o", tmp_path / "out.json").code == 0
    loaded = COCO(str(tmp_path / "out.json"))
    names = {c["id"]: c["name"] for c in loaded.loadCats(loaded.getCatIds())}
    found = {names[a["category_id"]]: a for a in loaded.loadAnns(loaded.getAnnIds())}
    assert found["box"]["bbox"] == [20.25, 10.5, 80.5, 49.625]
    pixels = {name: area(loaded.annToRLE(found[name])) for name in ("mask", "contour")}
    assert pixels["mask"] == found["mask"]["area"] == 3000
    assert abs(pixels["contour"] - found["contour"]["area"]) < 20


def test_answers_become_labels(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    answers(tmp_path, choice("Cat", "bird"), choice("bird", "Cat"))
    ended = export(run, tmp_path, "coco", "out.json", file, "--label-from-answer")
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["categories"] == [
        {"id": 3, "name": "dog", "supercategory": "x"},
        {"id": 9, "name": "cat"},
        {"id": 10, "name": "bird"},
    ]
    assert [a["category_id"] for a in content["annotations"]] == [9, 10]
    assert "labels from answers: 2 regions, 2 of them changed" in ended.stderr
    assert "new categories: bird" in ended.stderr


def test_failed_rows_keep_their_label(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    error = {"type": "GenerationError", "message": "out of luck"}
    failed: dict[str, Any] = {
        "answer": None,
        "error": error,
        "marks": [],
        "width": None,
        "height": None,
    }
    answers(tmp_path, choice("cat", "dog"), failed)
    ended = export(run, tmp_path, "coco", "out.json", file, "--label-from-answer")
    content = json.loads((tmp_path / "out.json").read_text())
    assert [a["category_id"] for a in content["annotations"]] == [9, 9]
    assert content["annotations"][1]["attributes"]["error"] == "out of luck"
    assert "1 region with an error instead of an answer: the old label stays" in ended.stderr


@pytest.mark.parametrize("format", ["coco", "labelme", "voc", "yolo", "cvat", "csv", "fiftyone"])
def test_labels_from_answers_are_in_every_format(format: str, tmp_path: Path, run: Run) -> None:
    coco(tmp_path)
    answers(tmp_path, choice("cat", "dog"), choice("dog", "cat"))
    out = tmp_path / "out"
    ended = run(
        "export", tmp_path / "results.jsonl", "--to", format, "-o", out, "--label-from-answer"
    )
    assert ended.code == 0, ended
    assert [row.extra["label"] for row, _ in read_regions(out)] == ["cat", "dog"]


def test_free_answers_become_no_labels(tmp_path: Path, run: Run) -> None:
    write_image(tmp_path / "a.jpg")
    results, out = answers(tmp_path), tmp_path / "out.json"
    ended = run("export", results, "--to", "coco", "-o", out, "--label-from-answer")
    assert ended.code == 2
    assert ended.stderr.count("\n") == 1
    assert "--choices" in ended.stderr
    assert not out.exists()


def test_answers_to_two_sets_of_choices_become_no_labels(tmp_path: Path, run: Run) -> None:
    image, box = write_image(tmp_path / "a.jpg"), mark("box")
    rows = (
        record(image, "1:q1", box, **choice("cat", "dog")),
        record(image, "1:q2", box, question="is it wet?", **choice("yes", "no")),
    )
    results, out = write_records(tmp_path / "results.jsonl", *rows), tmp_path / "out.json"
    ended = run("export", results, "--to", "coco", "-o", out, "--label-from-answer")
    assert ended.code == 3
    assert "several questions with different choices" in ended.stderr
    assert not out.exists()


# --- geometry --------------------------------------------------------------------------------


def stored_box(folder: Path) -> Path:
    """Write a COCO file in the axes of the stored image, which EXIF turns by 90 degrees."""
    file = coco(folder, orientation=6, width=100, height=200)
    content = json.loads(file.read_text())
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["bbox"] = [30, 140, 25, 40]
    file.write_text(json.dumps(content))
    return file


def scaled_box(folder: Path) -> Path:
    """Write a COCO file for an image of twice the size."""
    file = coco(folder, width=400, height=200)
    content = json.loads(file.read_text())
    content["annotations"] = content["annotations"][:1]
    content["annotations"][0]["bbox"] = [40, 60, 80, 50]
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize("format", ["coco", "labelme", "voc", "cvat", "label-studio", "csv"])
@pytest.mark.parametrize("write", [stored_box, scaled_box])
def test_turned_and_scaled_regions_are_exported_upright(
    format: str, write: Any, tmp_path: Path, run: Run
) -> None:
    file, out = write(tmp_path), tmp_path / "out"
    ((_, (before,)),) = read_regions(file)
    row = record(tmp_path / "a.jpg", "a.jpg#1", mark("box", points(before)[0], label="dog"))
    write_records(tmp_path / "results.jsonl", row)
    for options in ((), ("--source", file)):
        arguments = ("export", tmp_path / "results.jsonl", "--to", format, "-o", out, "--force")
        ended = run(*arguments, *options)
        assert ended.code == 0, ended
        ((_, (found,)),) = read_regions(out)
        assert np.allclose(points(found), points(before), atol=0.01), options


def test_records_of_another_file_are_refused(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    write_image(tmp_path / "other.jpg")
    row = record(tmp_path / "other.jpg", "other.jpg#1", mark("box"))
    results = write_records(tmp_path / "results.jsonl", row)
    ended = run("export", results, "--to", "coco", "-o", tmp_path / "o.json", "--source", file)
    assert ended.code == 3
    assert "no record is about a region of --source" in ended.stderr
    assert "and the --images of that batch\n" in ended.stderr


def test_a_copy_keeps_the_regions_of_a_missing_image(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    content = json.loads(file.read_text())
    content["images"].append({"id": 8, "file_name": "lost.jpg"})
    content["annotations"].append({**content["annotations"][0], "id": 6, "image_id": 8})
    file.write_text(json.dumps(content))
    failed = {"error": {"type": "InputError", "message": "found no image lost.jpg"}}
    lost = record(tmp_path / "lost.jpg", "lost.jpg#1", answer=None, width=None, **failed)
    found = record(tmp_path / "a.jpg", "a.jpg#1", mark("box", BOXES[0], label="dog"))
    write_records(tmp_path / "results.jsonl", found, lost)
    ended = export(run, tmp_path, "coco", "out.json", file)
    assert "1 image of --source cannot be read" in ended.stderr
    annotations = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert [each["attributes"].get("error") for each in annotations] == [
        None, None, "found no image lost.jpg",
    ]  # fmt: skip


@pytest.mark.parametrize("folder", ["C:\\data\\photos\\", "/mnt/elsewhere/", "x\\"])
def test_records_of_another_machine_find_their_image(folder: str, tmp_path: Path, run: Run) -> None:
    """By the name, or by the id where the source has several images of one name."""
    file = coco(tmp_path)
    write_image(tmp_path / "x" / "a.jpg")
    content = json.loads(file.read_text())
    content["images"].insert(0, {**content["images"][0], "id": 1, "file_name": "x/a.jpg"})
    file.write_text(json.dumps(content))
    row = record(f"{folder}a.jpg", "a.jpg#1", mark("box", BOXES[0], label="dog"))
    write_records(tmp_path / "results.jsonl", row)
    export(run, tmp_path, "coco", "out.json", file)
    first, second = json.loads((tmp_path / "out.json").read_text())["annotations"]
    assert first["attributes"]["answer"] == "metal"
    assert "answer" not in second["attributes"]


def test_regions_that_were_not_asked_about_stay(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    answers(tmp_path)
    lines = (tmp_path / "results.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "results.jsonl").write_text(lines[1])
    export(run, tmp_path, "cvat", "out.xml", file)
    found = read_regions(tmp_path / "out.xml")
    assert [row.extra.get("answer") for row, _ in found] == [None, "metal"]
    assert [row.extra["label"] for row, _ in found] == ["dog", "cat"]


# --- other formats ---------------------------------------------------------------------------


def own_export(run: Run, folder: Path, format: str, name: str) -> Path:
    """Make a source of a format: an export of other answers, in a folder of its own."""
    write_image(folder / "a.jpg")
    (folder / "src").mkdir()
    answers(folder, {"answer": "old"}, {"answer": "old"})
    source = folder / "src" / name
    ended = run("export", folder / "results.jsonl", "--to", format, "-o", source)
    assert ended.code == 0, ended
    return source


@pytest.mark.parametrize(
    ("format", "name"),
    [("labelme", "lm"), ("voc", "voc"), ("cvat", "c.xml"), ("labelme", "a.json"), ("voc", "a.xml")],
)
def test_a_source_keeps_its_other_content(format: str, name: str, tmp_path: Path, run: Run) -> None:
    source = own_export(run, tmp_path, format, name)
    files = [source] if source.is_file() else [p for p in source.rglob("*") if p.is_file()]
    extra = {".json": ('"version"', '"other": 1, "version"'), ".xml": (">", "><other>1</other>")}
    text = files[0].read_text()
    head, _, rest = text.partition("<size>") if format == "voc" else ("", "", "")
    old, new = extra[files[0].suffix]
    changed = f"{head}<other>1</other><size>{rest}" if head else text.replace(old, new, 1)
    if format == "cvat":
        changed = text.replace("<meta>", "<other>1</other><meta>")
    files[0].write_text(changed)
    answers(tmp_path, choice("cat", "dog"), choice("dog", "cat"))
    (tmp_path / "deep" / "er").mkdir(parents=True)
    out = tmp_path / "deep" / "er" / name
    export(run, tmp_path, format, f"deep/er/{name}", source, "--label-from-answer")
    assert files[0].read_text() == changed
    written = out if out.is_file() else out / files[0].name
    assert "other" in written.read_text()
    options = {"options": _images(tmp_path)} if format == "cvat" else {}
    found = read_regions(out, **options)
    assert [row.extra["label"] for row, _ in found] == ["cat", "dog"]
    assert [row.extra["answer"] for row, _ in found] == ["cat", "dog"]
    assert [points(marks[0])[0] for _, marks in found] == list(BOXES)


def _images(folder: Path) -> Any:
    from vipllava_cli.sources.read_options import ReadOptions

    return ReadOptions((str(folder),))


def test_label_studio_gets_predictions_beside_its_annotations(tmp_path: Path, run: Run) -> None:
    write_image(tmp_path / "a.jpg")
    value = {"x": 10, "y": 30, "width": 20, "height": 25, "rotation": 0, "rectanglelabels": ["dog"]}
    result = {"id": "r1", "type": "rectanglelabels", "from_name": "bbox", "to_name": "img"}
    sides = {"original_width": 200, "original_height": 100, "value": value}
    task = {
        "id": 12,
        "data": {"image": "a.jpg"},
        "annotations": [{"id": 3, "result": [{**result, **sides}]}],
        "meta": {"who": "me"},
    }
    file = tmp_path / "tasks.json"
    file.write_text(json.dumps([task]))
    box = mark("box", BOXES[0], label="dog")
    row = record(tmp_path / "a.jpg", "a.jpg#1", box, **choice("cat", "dog"))
    write_records(tmp_path / "results.jsonl", row)
    export(run, tmp_path, "label-studio", "out.json", file, "--label-from-answer")
    (made,) = json.loads((tmp_path / "out.json").read_text())
    (prediction,) = made.pop("predictions")
    assert made == task
    assert (prediction["model_version"], prediction["score"]) == ("tiny 0.1.0", 0.75)
    region, answer = prediction["result"]
    assert (region["from_name"], region["to_name"], region["score"]) == ("bbox", "img", 0.75)
    assert region["value"] == {**value, "rectanglelabels": ["cat"]}
    assert answer["id"] == region["id"]
    assert answer["value"] == {"choices": ["cat"]}


def test_label_studio_keeps_the_shape_and_the_control_of_a_region(tmp_path: Path, run: Run) -> None:
    """A turned rectangle stays one: the project may have no control for its outline."""
    write_image(tmp_path / "a.jpg")
    sides = {"original_width": 200, "original_height": 100, "image_rotation": 0, "to_name": "img"}
    value = {"x": 10, "y": 30, "width": 20, "height": 25, "rotation": 15}
    results: list[dict[str, Any]] = [
        {**sides, "id": f"r{n}", "type": "rectanglelabels", "from_name": name, "value": labelled}
        for n, (name, label) in enumerate((("first", "dog"), ("second", "cat")), 1)
        for labelled in [{**value, "x": 10 * n, "rectanglelabels": [label]}]
    ]
    file = tmp_path / "tasks.json"
    task = {"id": 12, "data": {"image": "a.jpg"}, "annotations": [{"id": 3, "result": results}]}
    file.write_text(json.dumps([task]))
    _, (_, (outline,)) = read_regions(file)
    contour = mark("contour", points(outline), label="cat")
    one = record(tmp_path / "a.jpg", "a.jpg#2", contour, **choice("dog", "cat"))
    write_records(tmp_path / "results.jsonl", one)
    export(run, tmp_path, "label-studio", "out.json", file, "--label-from-answer")
    (made,) = json.loads((tmp_path / "out.json").read_text())
    first, second, _ = made["predictions"][0]["result"]
    assert {**first, "id": "r1"} == results[0]
    changed = {**results[1]["value"], "rectanglelabels": ["dog"]}
    assert {**second, "id": "r2"} == {**results[1], "value": changed, "score": 0.75}
    assert len({first["id"], second["id"], "r1", "r2"}) == 4


def test_regions_without_a_mark_are_counted(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    content = json.loads(file.read_text())
    content["annotations"][1]["bbox"] = [1, 2, 0, 0]
    file.write_text(json.dumps(content))
    write_records(
        tmp_path / "results.jsonl", record(tmp_path / "a.jpg", "a.jpg#1", mark("box", BOXES[0]))
    )
    other = export(run, tmp_path, "voc", "voc", file)
    assert "1 region of --source without a valid mark: left out" in other.stderr
    assert "1 image, 1 region, 1 answer" in other.stderr
    assert "valid mark" not in export(run, tmp_path, "coco", "copy.json", file).stderr
    assert len(json.loads((tmp_path / "copy.json").read_text())["annotations"]) == 2


def test_a_manifest_as_source_gives_its_rows(tmp_path: Path, run: Run) -> None:
    write_image(tmp_path / "a.jpg")
    rows = [{"image": "a.jpg", "marks": [mark("box", b)], "label": f"l{b[0]}"} for b in BOXES]
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    row = record(tmp_path / "a.jpg", "a.jpg~2", mark("box", BOXES[1]), extra={"label": "l100"})
    write_records(tmp_path / "results.jsonl", row)
    export(run, tmp_path, "voc", "voc", manifest)
    found = read_regions(tmp_path / "voc")
    assert [(r.extra["label"], r.extra.get("answer")) for r, _ in found] == [
        ("l20", None),
        ("l100", "metal"),
    ]


def test_a_copy_in_another_folder_says_where_its_images_are(tmp_path: Path, run: Run) -> None:
    file = coco(tmp_path)
    content = json.loads(file.read_text())
    content["info"]["score"] = float("nan")  # some programs write it
    file.write_text(json.dumps(content))
    answers(tmp_path)
    (tmp_path / "else" / "where").mkdir(parents=True)
    ended = export(run, tmp_path, "coco", "else/where/out.json", file)
    assert "from another folder: batch finds them with --images" in ended.stderr
    found = read_regions(tmp_path / "else/where/out.json", options=_images(tmp_path))
    assert [points(marks[0])[0] for _, marks in found] == list(BOXES)
    assert "another folder" not in export(run, tmp_path, "coco", "beside.json", file).stderr
