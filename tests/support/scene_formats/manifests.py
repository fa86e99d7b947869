"""Manifests, image folders of Hugging Face, and training files of LLaVA and ShareGPT."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.scene_formats.scenes import BOX, POINT, SceneImage, SceneRegion
from tests.support.scene_formats.written import Written, label_numbers

Row = dict[str, Any]
Columns = Callable[[SceneRegion], Row]

_MARK_SHAPES = {BOX: "box", POINT: "point"}


def _corners(region: SceneRegion) -> list[float]:
    return list(region.box)


def _corner_and_size(region: SceneRegion) -> list[float]:
    left, top, right, bottom = region.box
    return [left, top, right - left, bottom - top]


def _comma_separated(values: Sequence[float]) -> str:
    return ",".join(f"{value:g}" for value in values)


def edges(*names: str) -> Columns:
    """Make the columns of a box with an edge in each."""
    return lambda region: dict(zip(names, region.box, strict=True))


def bbox_text(region: SceneRegion) -> Row:
    return {"bbox": json.dumps(_corner_and_size(region))}


def bbox_list(region: SceneRegion) -> Row:
    return {"bbox": _corner_and_size(region)}


def box_text(region: SceneRegion) -> Row:
    return {"box": _comma_separated(_corners(region))}


def box_and_size_text(region: SceneRegion) -> Row:
    left, top, width, height = _corner_and_size(region)
    return {"box": f"{left:g},{top:g},+{width:g},+{height:g}"}


def boxes_list(region: SceneRegion) -> Row:
    return {"boxes": [_corners(region)]}


def bboxes_list(region: SceneRegion) -> Row:
    return {"bboxes": [_corners(region)]}


def outline_text(region: SceneRegion) -> Row:
    """Write the column of the shape on the command line."""
    name = _MARK_SHAPES.get(region.kind, "contour")
    return {name: _comma_separated([value for point in region.outline for value in point])}


def marks_list(region: SceneRegion) -> Row:
    flat = [value for point in region.outline for value in point]
    mark = {"shape": _MARK_SHAPES.get(region.kind, "contour"), "coords": flat}
    return {"marks": [{**mark, "label": region.label}]}


def marks_text(region: SceneRegion) -> Row:
    return {"marks": json.dumps(marks_list(region)["marks"])}


def _rows(
    folder: Path, images: Sequence[SceneImage], columns: Columns, image_column: str
) -> Iterator[Row]:
    for image in images:
        image.write(folder / image.name)
        for number, region in enumerate(image.regions, 1):
            named = {"id": f"{image.name}#{number}", image_column: image.name}
            yield {**named, "label": region.label, **columns(region)}


def table(
    columns: Columns, separator: str = ",", image_column: str = "image", encoding: str = "utf-8"
) -> Callable[[Path, Sequence[SceneImage]], Written]:
    """Make a writer of a table."""

    def write(folder: Path, images: Sequence[SceneImage]) -> Written:
        rows = list(_rows(folder, images, columns, image_column))
        names = list(dict.fromkeys(name for row in rows for name in row))
        path = folder / ("rows.tsv" if separator == "\t" else "rows.csv")
        with path.open("w", encoding=encoding, newline="") as file:
            writer = csv.DictWriter(file, names, delimiter=separator, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return Written(path)

    return write


def json_rows(
    columns: Columns, image_column: str = "image"
) -> Callable[[Path, Sequence[SceneImage]], Written]:
    """Make a writer of a JSON list."""

    def write(folder: Path, images: Sequence[SceneImage]) -> Written:
        path = folder / "rows.json"
        path.write_text(json.dumps(list(_rows(folder, images, columns, image_column))), "utf-8")
        return Written(path)

    return write


def jsonl_rows(
    columns: Columns, image_column: str = "image"
) -> Callable[[Path, Sequence[SceneImage]], Written]:
    """Make a writer of JSONL."""

    def write(folder: Path, images: Sequence[SceneImage]) -> Written:
        path = folder / "rows.jsonl"
        lines = map(json.dumps, _rows(folder, images, columns, image_column))
        path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return Written(path)

    return write


# --- Hugging Face: https://huggingface.co/docs/datasets/image_dataset -------------------------


def image_folder(folder: Path, images: Sequence[SceneImage]) -> Written:
    numbers = label_numbers(images)
    lines = []
    for image in images:
        image.write(folder / "train" / image.name)
        boxes = [_corner_and_size(region) for region in image.regions]
        categories = [numbers[region.label] for region in image.regions]
        objects = {"bbox": boxes, "categories": categories}
        lines.append(json.dumps({"file_name": image.name, "objects": objects}))
    (folder / "train" / "metadata.jsonl").write_text("\n".join(lines), "utf-8")
    return Written(folder)


# --- LLaVA and ShareGPT: one row for each region ----------------------------------------------


def llava(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write training rows as ViP-LLaVA does: `<bbox0>` in the turns, and `bboxes`."""
    rows = [
        {
            "id": row["id"],
            "image": row["image"],
            "conversations": [
                {"from": "human", "value": "<image>\nWhat is <bbox0>?"},
                {"from": "gpt", "value": row["label"]},
            ],
            "bboxes": row["bboxes"],
        }
        for row in _rows(folder, images, bboxes_list, "image")
    ]
    path = folder / "train.json"
    path.write_text(json.dumps(rows), "utf-8")
    return Written(path)


def sharegpt(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write rows as LLaMA-Factory reads them: `messages` and `images`."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": "<image>What is <bbox0>?"},
                {"role": "assistant", "content": row["label"]},
            ],
            "images": [row["image"]],
            "bboxes": row["bboxes"],
        }
        for row in _rows(folder, images, bboxes_list, "image")
    ]
    path = folder / "sharegpt.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return Written(path)
