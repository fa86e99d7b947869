"""Formats with one file for each image: LabelMe, Pascal VOC, YOLO, Supervisely."""

import base64
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.support.scene_formats.scenes import (
    BOX,
    POINT,
    POLYGON,
    ROTATED,
    SceneImage,
    SceneRegion,
)
from tests.support.scene_formats.written import Written, label_numbers


def _write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


# --- LabelMe: https://github.com/wkentaro/labelme --------------------------------------------

_LABELME_TYPES = {BOX: "rectangle", POLYGON: "polygon", ROTATED: "rotation", POINT: "point"}


def _labelme_content(image: SceneImage, path: str, *, embed: bool) -> str:
    shapes: list[dict[str, Any]] = [
        {
            "label": region.label,
            "points": [list(point) for point in region.outline],
            "group_id": None,
            "description": "",
            "shape_type": _LABELME_TYPES[region.kind],
            "flags": {},
            "mask": None,
        }
        for region in image.regions
    ]
    content: dict[str, Any] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": shapes,
        "imagePath": path,
        "imageData": base64.b64encode(image.data).decode() if embed else None,
        "imageHeight": image.size[1],
        "imageWidth": image.size[0],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def labelme(folder: Path, images: Sequence[SceneImage]) -> Written:
    for image in images:
        image.write(folder / image.name)
        file = (folder / image.name).with_suffix(".json")
        _write_text(file, _labelme_content(image, image.file_name, embed=False))
    return Written(folder)


def labelme_windows(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write labels into a folder of their own, as a user of Windows does with `--output`."""
    for image in images:
        image.write(folder / "images" / image.name)
        path = f"..\\images\\{image.name}".replace("/", "\\")
        file = folder / "labels" / f"{image.stem}.json"
        _write_text(file, _labelme_content(image, path, embed=False))
    return Written(folder)


def labelme_embedded(folder: Path, images: Sequence[SceneImage]) -> Written:
    for image in images:
        file = folder / f"{image.stem}.json"
        _write_text(file, _labelme_content(image, image.file_name, embed=True))
    return Written(folder)


# --- Pascal VOC ------------------------------------------------------------------------------


def _voc_object(region: SceneRegion) -> str:
    """Write an object. VOC counts pixels from 1, and a box includes its last pixel.

    roLabelImg writes a rotated box by centre, size and angle in radians.
    """
    left, top, right, bottom = region.box
    if region.kind == ROTATED:
        kind = "robndbox"
        values: dict[str, float] = {
            "cx": (left + right) / 2,
            "cy": (top + bottom) / 2,
            "w": right - left,
            "h": bottom - top,
            "angle": round(math.radians(region.degrees), 6),
        }
    else:
        kind = "bndbox"
        values = {"xmin": left + 1, "ymin": top + 1, "xmax": right, "ymax": bottom}
    inner = "".join(f"<{name}>{value:g}</{name}>" for name, value in values.items())
    return (
        f"<object><name>{escape(region.label)}</name><pose>Unspecified</pose><truncated>0</truncated>"
        f"<difficult>0</difficult><{kind}>{inner}</{kind}></object>"
    )


def voc(folder: Path, images: Sequence[SceneImage]) -> Written:
    for image in images:
        image.write(folder / "JPEGImages" / image.file_name)
        width, height = image.size
        text = (
            f"<annotation><folder>JPEGImages</folder><filename>{escape(image.file_name)}</filename>"
            f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
            f"<segmented>0</segmented>{''.join(map(_voc_object, image.regions))}</annotation>"
        )
        _write_text(folder / "Annotations" / f"{image.stem}.xml", text)
    return Written(folder)


# --- YOLO: https://docs.ultralytics.com/datasets/ ---------------------------------------------

Numbers = Callable[[SceneRegion, tuple[int, int]], list[float]]


def _centre_and_size(region: SceneRegion, size: tuple[int, int]) -> list[float]:
    (left, top, right, bottom), (width, height) = region.box, size
    return [
        (left + right) / 2 / width,
        (top + bottom) / 2 / height,
        (right - left) / width,
        (bottom - top) / height,
    ]


def _outline(region: SceneRegion, size: tuple[int, int]) -> list[float]:
    return [
        value / side for point in region.outline for value, side in zip(point, size, strict=True)
    ]


def _pose(region: SceneRegion, size: tuple[int, int]) -> list[float]:
    """Write a box and two keypoints, the second of which is not labelled."""
    x, y, width, height = _centre_and_size(region, size)
    return [x, y, width, height, x - width / 4, y - height / 4, 2, 0, 0, 0]


def _confidence(region: SceneRegion, size: tuple[int, int]) -> list[float]:
    return [*_centre_and_size(region, size), 0.625]


def _labels(image: SceneImage, numbers: dict[str, int], write: Numbers, ending: str = "") -> str:
    lines = [
        f"{numbers[region.label]} "
        + " ".join(f"{value:.6f}".rstrip("0").rstrip(".") for value in write(region, image.size))
        + ending.format(number)
        for number, region in enumerate(image.regions, 1)
    ]
    return "\n".join(lines) + "\n" if lines else ""


def _names(numbers: dict[str, int]) -> str:
    return "names:\n" + "".join(f"  {number}: {label}\n" for label, number in numbers.items())


def ultralytics(
    write: Numbers, more: str = "", ending: str = ""
) -> Callable[[Path, Sequence[SceneImage]], Written]:
    """Make a writer of images/train, labels/train and a data.yaml."""

    def write_dataset(folder: Path, images: Sequence[SceneImage]) -> Written:
        numbers = label_numbers(images)
        for image in images:
            path = folder / "images" / "train" / image.name
            image.write(path)
            labels = (folder / "labels" / "train" / image.name).with_suffix(".txt")
            _write_text(labels, _labels(image, numbers, write, ending))
        yaml = f"path: .\ntrain: images/train\nval: images/train\n{more}{_names(numbers)}"
        _write_text(folder / "data.yaml", yaml)
        return Written(folder / "data.yaml")

    return write_dataset


yolo_detect = ultralytics(_centre_and_size)
yolo_segment = ultralytics(_outline)
yolo_pose = ultralytics(_pose, "kpt_shape: [2, 3]\n")
yolo_obb = ultralytics(_outline)
yolo_confidence = ultralytics(_confidence)
yolo_track = ultralytics(_confidence, ending=" {}")


def yolo_roboflow(folder: Path, images: Sequence[SceneImage]) -> Written:
    numbers = label_numbers(images)
    for image in images:
        image.write(folder / "train" / "images" / image.file_name)
        labels = folder / "train" / "labels" / f"{image.stem}.txt"
        _write_text(labels, _labels(image, numbers, _centre_and_size).rstrip("\n"))
    names = ", ".join(f"'{label}'" for label in numbers)
    yaml = f"train: ../train/images\nval: ../valid/images\n\nnc: {len(numbers)}\nnames: [{names}]\n"
    _write_text(folder / "data.yaml", yaml)
    return Written(folder)


def yolo_darknet(folder: Path, images: Sequence[SceneImage]) -> Written:
    numbers = label_numbers(images)
    for image in images:
        path = folder / "obj_train_data" / image.file_name
        image.write(path)
        _write_text(path.with_suffix(".txt"), _labels(image, numbers, _centre_and_size))
    listed = "".join(f"data/obj_train_data/{image.file_name}\n" for image in images)
    _write_text(folder / "train.txt", listed)
    _write_text(folder / "obj.names", "".join(f"{label}\n" for label in numbers))
    data = f"classes = {len(numbers)}\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n"
    _write_text(folder / "obj.data", data)
    return Written(folder)


# --- Supervisely: https://developer.supervisely.com/getting-started/supervisely-annotation-format

_SUPERVISELY_TYPES = {BOX: "rectangle", POLYGON: "polygon", POINT: "point"}


def supervisely(folder: Path, images: Sequence[SceneImage]) -> Written:
    numbers = label_numbers(images)
    for image in images:
        image.write(folder / "ds0" / "img" / image.file_name)
        objects = [
            _supervisely_object(region, number) for number, region in enumerate(image.regions)
        ]
        size = {"height": image.size[1], "width": image.size[0]}
        content: dict[str, Any] = {"description": "", "tags": [], "size": size, "objects": objects}
        _write_text(folder / "ds0" / "ann" / f"{image.file_name}.json", json.dumps(content))
    classes = [
        {"title": label, "shape": "any", "color": "#0F8A8A", "geometry_config": {}}
        for label in numbers
    ]
    meta = {"classes": classes, "tags": [], "projectType": "images"}
    _write_text(folder / "meta.json", json.dumps(meta))
    return Written(folder)


def _supervisely_object(region: SceneRegion, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "classId": 1,
        "description": "",
        "geometryType": _SUPERVISELY_TYPES[region.kind],
        "tags": [],
        "classTitle": region.label,
        "points": {"exterior": [list(point) for point in region.points], "interior": []},
    }
