"""Every format holds every shape, or says what it became; reading it again gives the same regions."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Run
from tests.support.exports import (
    COORDS,
    RING,
    mark,
    points,
    read_regions,
    record,
    write_image,
    write_records,
)
from vipllava_cli.flows.export.formats import ExportFormat
from vipllava_cli.flows.export.geometry import fill

OUT: Mapping[str, str] = {
    "coco": "answers.json",
    "labelme": "labelme",
    "voc": "voc",
    "yolo": "yolo",
    "label-studio": "tasks.json",
    "cvat": "annotations.xml",
    "fiftyone": "fiftyone",
    "llava": "train.json",
    "csv": "rows.csv",
}

# The shapes that a format holds as they are.
HELD: Mapping[str, tuple[str, ...]] = {
    "coco": ("box", "point", "triangle", "mask", "contour"),
    "labelme": ("box", "point", "scribble", "contour"),
    "voc": ("box", "triangle", "mask", "contour"),
    "yolo": ("box", "contour"),
    "label-studio": ("box", "ellipse", "point", "contour"),
    "cvat": ("box", "ellipse", "point", "scribble", "contour"),
    "fiftyone": ("box", "point", "scribble", "contour"),
    "llava": tuple(COORDS),
    "csv": tuple(COORDS),
}

# Shapes that become pixels: to half a pixel.
RASTERED: Mapping[str, tuple[str, ...]] = {
    "labelme": ("mask",),
    "label-studio": ("mask",),
    "cvat": ("mask",),
}


def export(run: Run, folder: Path, format: str, *records: Mapping[str, object]) -> tuple[Path, str]:
    """Export records. Returns the output and the messages."""
    results = write_records(folder / "results.jsonl", *records)
    out = folder / OUT[format]
    ended = run("export", results, "--to", format, "-o", out)
    assert ended.code == 0, ended
    assert ended.stdout == ""
    return out, ended.stderr


def test_every_format_is_tested() -> None:
    assert set(OUT) == set(HELD) == {format.value for format in ExportFormat}


@pytest.mark.parametrize("orientation", [1, 3, 6])
@pytest.mark.parametrize("shape", COORDS)
@pytest.mark.parametrize("format", OUT)
def test_a_shape_is_read_again_in_the_same_place(
    format: str, shape: str, orientation: int, tmp_path: Path, run: Run
) -> None:
    image = write_image(tmp_path / "images" / "a.jpg", orientation)
    row = record(image, "a.jpg#1", mark(shape, label="bolt"), extra={"label": "bolt"})
    out, messages = export(run, tmp_path, format, row)
    ((read, (found,)),) = read_regions(out)
    assert (read.extra.get("label") or found.label) == "bolt"
    if shape in HELD[format]:
        expected = COORDS[shape] if isinstance(COORDS[shape][0], list) else [COORDS[shape]]
        assert found.shape == shape
        assert np.allclose(np.concatenate(points(found)), np.concatenate(expected), atol=0.01)
        assert "became" not in messages
    elif shape in RASTERED.get(format, ()):
        assert found.shape == shape
        assert np.allclose(found.bounds, (20, 20, 80, 70), atol=0.5)
    else:
        assert f"1 {shape} became 1 {found.shape}: the format holds no {shape}\n" in messages
        assert is_near(shape, found.bounds), found


def is_near(shape: str, bounds: tuple[float, float, float, float]) -> bool:
    """Return whether the bounds are those of the shape, or around the tip or the point."""
    flat = np.ravel(COORDS[shape])
    if shape in ("arrow", "point"):
        return bool(np.allclose(bounds, [*flat[-2:], *flat[-2:]], atol=0.5))
    x, y = flat[::2], flat[1::2]
    return bool(np.allclose(bounds, [x.min(), y.min(), x.max(), y.max()], atol=0.01))


@pytest.mark.parametrize("shape", ["mask", "contour"])
@pytest.mark.parametrize("format", OUT)
def test_a_hole_stays_a_hole(format: str, shape: str, tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    out, _ = export(run, tmp_path, format, record(image, "a.jpg#1", mark(shape, RING)))
    ((_, (found,)),) = read_regions(out)
    ring = [tuple(zip(map(float, p[::2]), map(float, p[1::2]), strict=True)) for p in RING]
    before = fill(ring, (200, 100))
    assert np.abs(fill(found.parts, (200, 100)).astype(int) - before).sum() == 0
    assert before.sum() == 5200


@pytest.mark.parametrize("format", OUT)
def test_many_images_labels_and_names_are_read_again(format: str, tmp_path: Path, run: Run) -> None:
    names = ("x/a.jpg", "y/a.jpg", "y/a b, c.jpg", "y/ä%20#1.jpg", "y/猫.png")
    labels = ("dog", "a, b", 'x/"y"', "<猫> & co", "= 1")
    rows = []
    for name, label in zip(names, labels, strict=True):
        image = write_image(tmp_path / "photos" / name)
        box = mark("box", label=label)
        rows.append(record(image, f"{name}#1", box, answer=f"the {label}", extra={"label": label}))
    out, _ = export(run, tmp_path, format, *rows)
    found = read_regions(out)
    paths = [tmp_path / "photos" / name for name in names]
    if format != "yolo":  # which has copies of the images
        assert sorted(Path(row.image).resolve() for row, _ in found) == sorted(paths)
    assert sorted(str(row.extra.get("label")) for row, _ in found) == sorted(labels)
    if format not in ("yolo", "label-studio", "llava"):
        assert {row.extra["label"]: row.extra["answer"] for row, _ in found} == {
            label: f"the {label}" for label in labels
        }
    assert all(np.allclose(points(marks[0]), [COORDS["box"]]) for _, marks in found)


@pytest.mark.parametrize("format", OUT)
def test_a_region_of_several_answers_is_one_region(format: str, tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    box, contour = mark("box", label="bolt"), mark("contour", label="nut")
    rows = (
        record(image, "a.jpg#1", box, extra={"label": "bolt"}),
        record(image, "a.jpg#1:q2", box, question="is it new?", answer="yes"),
        record(image, "a.jpg#1~2", box, model="7b", answer="steel"),
        record(image, "a.jpg#2", contour, extra={"label": "nut"}),
        record(image, "a.jpg", box, contour, question="which is larger?", answer="the nut"),
        record(image, "a.jpg~2", question="describe", answer="two parts"),
    )
    out, _ = export(run, tmp_path, format, *rows)
    found = read_regions(out)
    single = [marks[0].shape for _, marks in found if len(marks) == 1]
    if format == "llava":  # two models answered about the box, each in a row of its own
        assert single == ["box", "box", "contour"]
    else:
        assert sorted(single) == ["box", "contour"]
    if format in ("csv", "llava"):
        assert sorted(len(marks) for _, marks in found if len(marks) != 1) == [0, 2]
    else:
        assert len(found) == 2


@pytest.mark.parametrize("format", OUT)
def test_an_existing_export_is_replaced_only_with_force(
    format: str, tmp_path: Path, run: Run
) -> None:
    image = write_image(tmp_path / "photos" / "a.jpg")
    out, _ = export(run, tmp_path, format, record(image, "1", mark("box")))
    again = ("export", tmp_path / "results.jsonl", "--to", format, "-o", out)
    refused = run(*again)
    assert (refused.code, refused.stdout) == (3, "")
    assert "--force" in refused.stderr
    assert run(*again, "--force").code == 0
    assert len(read_regions(out)) == 1
    assert not list(tmp_path.glob(".vipllava-*"))


@pytest.mark.parametrize("format", ["coco", *RASTERED])
def test_pixels_left_of_the_image_are_not_on_it(format: str, tmp_path: Path, run: Run) -> None:
    """Rows 10 to 30 of the first part end left of the image; a hole makes it pixels."""
    image = write_image(tmp_path / "a.jpg")
    parts = [[-80, 10, -40, 10, 60, 90, -60, 90], [5, 70, 20, 70, 20, 80, 5, 80]]
    out, _ = export(run, tmp_path, format, record(image, "a.jpg#1", mark("contour", parts)))
    ((_, (found,)),) = read_regions(out)
    assert found.bounds == pytest.approx((0, 42, 60, 90), abs=2)


def test_outlines_of_yolo_end_at_the_edges_of_the_image(tmp_path: Path, run: Run) -> None:
    """A program for training refuses a label file with a share outside of 0 to 1."""
    image = write_image(tmp_path / "a.jpg")
    outline = [-60, 10, 100, 20, 260, 60, 90, 150]
    shapes = (mark("contour", outline), mark("scribble", [10, 10, 300, 60]))
    rows = (record(image, f"a.jpg#{number}", each) for number, each in enumerate(shapes, 1))
    out, _ = export(run, tmp_path, "yolo", *rows)
    lines = (out / "labels" / "a.txt").read_text().splitlines()
    assert all(0 <= float(word) <= 1 for line in lines for word in line.split()[1:])
    (_, (contour,)), (_, (box,)) = read_regions(out)
    expected = fill([tuple(zip(outline[::2], outline[1::2], strict=True))], (200, 100))
    assert np.abs(fill(contour.parts, (200, 100)).astype(int) - expected).sum() == 0
    assert box.bounds == pytest.approx((10, 10, 200, 60), abs=0.01)


@pytest.mark.parametrize("format", ["coco", "voc", "yolo", "label-studio"])
def test_the_box_around_a_line_is_in_the_image(format: str, tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    line = mark("scribble", [-30, 20, 150, 130])
    out, _ = export(run, tmp_path, format, record(image, "a.jpg#1", line))
    ((_, (box,)),) = read_regions(out)
    assert box.bounds == pytest.approx((0, 20, 150, 100), abs=0.01)


@pytest.mark.parametrize("format", sorted(set(OUT) - {"voc"}))  # VOC counts whole pixels
def test_a_box_thinner_than_a_pixel_keeps_its_size(format: str, tmp_path: Path, run: Run) -> None:
    image = write_image(tmp_path / "a.jpg")
    box = [20.5, 10.25, 20.75, 60]
    out, _ = export(run, tmp_path, format, record(image, "a.jpg#1", mark("box", box)))
    ((_, (found,)),) = read_regions(out)
    assert found.bounds == pytest.approx(box, abs=0.001)
