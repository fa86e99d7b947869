"""Helpers for sources: files of every format, and shortcuts to read them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pytest
from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import Mark, MarkSpec
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import BadRow, Row

WIDTH, HEIGHT = 200, 100

# One scene in every format: an image with two boxes and an outline, and an image without regions.
BOXES = (("dog", (20.0, 10.0, 100.0, 60.0)), ("cat", (0.0, 0.0, 200.0, 100.0)))

OUTLINE = ("sofa", (10.0, 10.0, 150.0, 20.0, 80.0, 90.0))


def write_images(folder: Path, *names: str) -> None:
    """Write grey images of WIDTH x HEIGHT pixels."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (128, 128, 128)).save(path)


def write_file(path: Path, content: object) -> Path:
    """Write bytes, text, or any other value as JSON. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    return path


def read_rows(source: Path | str, **options: Any) -> list[Row]:
    """Read the rows of a source without bad rows."""
    rows = list(read_source(str(source), **options).rows)
    assert all(isinstance(row, Row) for row in rows), rows
    return [row for row in rows if isinstance(row, Row)]


def read_bad_rows(source: Path | str, **options: Any) -> list[BadRow]:
    rows = read_source(str(source), **options).rows
    return [row for row in rows if isinstance(row, BadRow)]


def read_ids(source: Path | str, **options: Any) -> list[str]:
    return [row.id for row in read_source(str(source), **options).rows]


def read_error(source: Path | str, **options: Any) -> str:
    """Return the one-line error of a source that cannot be read."""
    with pytest.raises(InputError) as caught:
        read_source(str(source), **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def resolve(marks: Sequence[MarkSpec]) -> tuple[Mark, ...]:
    """Resolve marks on an image of `write_images`."""
    return resolve_coordinates(marks, WIDTH, HEIGHT).marks


def write_coco(folder: Path) -> Path:
    write_images(folder, "val2017/a.jpg", "val2017/b.jpg")
    annotations: list[dict[str, Any]] = [
        {"id": 70 + number, "image_id": 1, "category_id": number}
        for number, _ in enumerate((*BOXES, OUTLINE), 1)
    ]
    for annotation, (_, (left, top, right, bottom)) in zip(annotations, BOXES, strict=False):
        annotation["bbox"] = [left, top, right - left, bottom - top]
        annotation["segmentation"] = [[left, top, right, top, right, bottom]]
    annotations[2]["segmentation"] = [list(OUTLINE[1])]
    value = {
        "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
        "annotations": annotations,
        "categories": [
            {"id": number, "name": label} for number, (label, _) in enumerate((*BOXES, OUTLINE), 1)
        ],
    }
    return write_file(folder / "annotations" / "instances_val2017.json", value)


def write_labelme(folder: Path) -> Path:
    write_images(folder, "a.jpg", "b.jpg")
    shapes: list[dict[str, Any]] = [
        # The first corner is the bottom right one.
        {"label": label, "shape_type": "rectangle", "points": [corners[2:], corners[:2]]}
        for label, corners in BOXES
    ]
    flat = OUTLINE[1]
    points = list(zip(flat[::2], flat[1::2], strict=True))
    shapes.append({"label": OUTLINE[0], "shape_type": "polygon", "points": points})
    write_file(folder / "a.json", {"shapes": shapes, "imagePath": "a.jpg", "imageData": "AAAA"})
    write_file(folder / "b.json", {"shapes": [], "imagePath": "b.jpg", "imageData": None})
    return folder


def voc_object(label: str, corners: Sequence[float]) -> str:
    edges = "".join(
        f"<{name}>{value:g}</{name}>"
        for name, value in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
    )
    return f"<object><name>{escape(label)}</name><bndbox>{edges}</bndbox></object>"


def voc_file(image: str, *objects: str) -> str:
    return f"<annotation><filename>{image}</filename>{''.join(objects)}</annotation>"


def write_voc(folder: Path) -> Path:
    write_images(folder, "JPEGImages/a.jpg", "JPEGImages/b.jpg")
    objects = [
        voc_object(label, (left + 1, top + 1, right, bottom))
        for label, (left, top, right, bottom) in BOXES
    ]
    write_file(folder / "Annotations" / "a.xml", voc_file("a.jpg", *objects))
    write_file(folder / "Annotations" / "b.xml", voc_file("b.jpg"))
    return folder


def write_yolo(folder: Path) -> Path:
    write_images(folder, "images/train/a.jpg", "images/train/b.jpg")
    lines = []
    for number, (_, (left, top, right, bottom)) in enumerate(BOXES):
        middle = ((left + right) / 2 / WIDTH, (top + bottom) / 2 / HEIGHT)
        size = ((right - left) / WIDTH, (bottom - top) / HEIGHT)
        lines.append(f"{number} {' '.join(f'{value:.6f}' for value in (*middle, *size))}")
    sides = (WIDTH, HEIGHT) * 3
    shares = (value / side for value, side in zip(OUTLINE[1], sides, strict=True))
    lines.append(f"2 {' '.join(f'{share:.6f}' for share in shares)}")
    write_file(folder / "labels" / "train" / "a.txt", "\n".join(lines) + "\n")
    write_file(folder / "data.yaml", "names:\n  0: dog\n  1: cat\n  2: sofa\n")
    return folder


ANNOTATION_FORMATS: Mapping[str, Callable[[Path], Path]] = {
    "coco": write_coco,
    "labelme": write_labelme,
    "voc": write_voc,
    "yolo": write_yolo,
}


def scene_marks() -> list[MarkSpec]:
    """Return the marks of the scene's first image."""
    specs = [parse_mark("box", ",".join(map(str, corners))) for _, corners in BOXES]
    return [*specs, parse_mark("contour", ",".join(map(str, OUTLINE[1])))]


def assert_scene(marks: Sequence[Mark]) -> None:
    """Assert that the marks are the first ones of the scene."""
    assert marks
    for mark, expected in zip(marks, resolve(scene_marks())[: len(marks)], strict=True):
        assert mark.shape == expected.shape
        assert np.allclose(mark.parts, expected.parts, atol=0.01)


def write_vip_bench(folder: Path) -> Path:
    for split in ("human", "bbox"):
        write_images(folder / split / "images", "0.png")
        lines = [
            {"question_id": number, "image": "0.png", "text": f"{split} {number}?", "category": "x"}
            for number in (0, 1)
        ]
        write_file(folder / split / "questions.jsonl", "\n".join(map(json.dumps, lines)))
    return folder


def write_image_folder(folder: Path) -> Path:
    write_images(folder, "a.jpg", "b/c.png")
    write_file(folder / "a.txt", "a caption of the image, not a label")
    return folder
