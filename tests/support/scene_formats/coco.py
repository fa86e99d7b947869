"""COCO in the forms of several tools. https://cocodataset.org/#format-data"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.support.scene_formats.scenes import POLYGON, ROTATED, SceneImage, SceneRegion
from tests.support.scene_formats.written import Written, label_numbers

Json = dict[str, Any]


def _bbox(region: SceneRegion) -> list[float]:
    left, top, right, bottom = region.box
    return [left, top, right - left, bottom - top]


def _content(
    images: Sequence[SceneImage],
    id_of: Callable[[int], Any] = int,
    name_of: Callable[[SceneImage], str] = lambda image: image.name,
) -> Json:
    numbers = label_numbers(images)
    annotations: list[Json] = []
    for index, image in enumerate(images, 1):
        for region in image.regions:
            annotation: Json = {
                "id": id_of(len(annotations) + 1),
                "image_id": id_of(index),
                "category_id": id_of(numbers[region.label] + 1),
                "area": 1,
                "iscrowd": 0,
            }
            if region.kind == POLYGON:  # a tool for outlines only: no box
                flat = [value for point in region.points for value in point]
                annotation["segmentation"] = [flat]
            else:
                annotation |= {"segmentation": [], "bbox": _bbox(region)}
            if region.kind == ROTATED:
                annotation["attributes"] = {"occluded": False, "rotation": region.degrees}
            annotations.append(annotation)
    return {
        "licenses": [{"name": "", "id": 0, "url": ""}],
        "info": {"contributor": "", "year": ""},
        "categories": [
            {"id": id_of(number + 1), "name": label, "supercategory": ""}
            for label, number in numbers.items()
        ],
        "images": [
            {
                "id": id_of(number),
                "width": image.size[0],
                "height": image.size[1],
                "file_name": name_of(image),
            }
            for number, image in enumerate(images, 1)
        ],
        "annotations": annotations,
    }


def _write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return path


def _write_images(folder: Path, images: Sequence[SceneImage]) -> None:
    for image in images:
        image.write(folder / image.name)


def plain(folder: Path, images: Sequence[SceneImage]) -> Written:
    _write_images(folder / "images", images)
    return Written(_write(folder / "annotations" / "instances.json", _content(images)))


def float_ids(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write ids as pandas writes a column that once had a gap."""
    _write_images(folder, images)
    return Written(_write(folder / "annotations.json", _content(images, float)))


def string_ids(folder: Path, images: Sequence[SceneImage]) -> Written:
    _write_images(folder, images)
    content = _content(images, str)
    for annotation in content["annotations"]:
        annotation["image_id"] = int(annotation["image_id"])
    return Written(_write(folder / "annotations.json", content))


def stored_axes(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write what a tool sees that ignores EXIF: the size and the axes of the stored pixels."""
    _write_images(folder, images)
    content = _content(images)
    sizes = {}
    for number, (fields, image) in enumerate(zip(content["images"], images, strict=True), 1):
        if image.is_turned:
            fields["width"], fields["height"] = image.size[1], image.size[0]
            sizes[number] = image.size
    for annotation in content["annotations"]:
        if annotation["image_id"] not in sizes:
            continue
        width, _ = sizes[annotation["image_id"]]
        if "bbox" in annotation:
            left, top, across, down = annotation["bbox"]
            annotation["bbox"] = [top, width - left - across, down, across]
        else:
            [flat] = annotation["segmentation"]
            turned = [(y, width - x) for x, y in zip(flat[::2], flat[1::2], strict=True)]
            annotation["segmentation"] = [[value for point in turned for value in point]]
    return Written(_write(folder / "annotations.json", content))


def results(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write a list of detections, and the file with the names. https://cocodataset.org/#format-results"""
    _write_images(folder / "val2017", images)
    content = _content(images)
    detections = [
        {name: each[name] for name in ("image_id", "category_id", "bbox")} | {"score": 0.5}
        for each in content.pop("annotations")
    ]
    names = _write(folder / "annotations" / "instances_val2017.json", content | {"annotations": []})
    return Written(_write(folder / "bbox_results.json", detections), coco=names)


def roboflow(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write `train/_annotations.coco.json` beside flat images; category 0 is the project."""
    for image in images:
        image.write(folder / "train" / image.file_name)
    content = _content(images, name_of=lambda image: image.file_name)
    for category in content["categories"]:
        category["supercategory"] = "things"
    content["categories"].insert(0, {"id": 0, "name": "things", "supercategory": "none"})
    for image, fields in zip(images, content["images"], strict=True):
        fields["extra"] = {"name": image.file_name}
    _write(folder / "train" / "_annotations.coco.json", content)
    return Written(folder)


def cvat(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write CVAT's "COCO 1.0": images/default, and attributes with the rotation."""
    _write_images(folder / "images" / "default", images)
    content = _content(images)
    for annotation in content["annotations"]:
        annotation.setdefault("attributes", {"occluded": False, "rotation": 0.0})
    for fields in content["images"]:
        fields |= {"license": 0, "flickr_url": "", "coco_url": "", "date_captured": 0}
    return Written(_write(folder / "annotations" / "instances_default.json", content))


def lvis(folder: Path, images: Sequence[SceneImage]) -> Written:
    """Write LVIS: no `file_name`, but an address. https://www.lvisdataset.org/dataset"""
    for image in images:
        image.write(folder / "val2017" / image.file_name)
    content = _content(images)
    for image, fields in zip(images, content["images"], strict=True):
        del fields["file_name"]
        address = f"http://images.cocodataset.org/val2017/{quote(image.file_name)}"
        fields |= {"coco_url": address, "not_exhaustive_category_ids": [], "neg_category_ids": []}
    for annotation in content["annotations"]:
        left, top, across, down = annotation["bbox"]
        right, bottom = left + across, top + down
        annotation["segmentation"] = [[left, top, right, top, right, bottom, left, bottom]]
        del annotation["iscrowd"]
    for category in content["categories"]:
        category |= {
            "synset": f"{category['name']}.n.01",
            "frequency": "c",
            "def": "",
            "synonyms": [],
        }
    return Written(_write(folder / "annotations" / "lvis_v1_val.json", content))
