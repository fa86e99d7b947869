"""FiftyOne: a folder with `samples.json` and `metadata.json`, which `fo.Dataset.from_dir` imports.

Boxes are `Detections`, outlines and lines `Polylines`, points `Keypoints`, and answers about images
`Classification` fields; the attributes of a region are fields of its label. Coordinates are shares of the
sides. https://docs.voxel51.com/user_guide/import_datasets.html
"""

from typing import Any

from vipllava_cli.flows.export.attributes import answer_attributes, region_attributes
from vipllava_cli.flows.export.dataset import Dataset, ExportImage
from vipllava_cli.flows.export.geometry import ShapeConverter
from vipllava_cli.flows.export.image_names import relative_names
from vipllava_cli.flows.export.output import Content, Export, Target, json_bytes
from vipllava_cli.marks.types import Mark, Points

_SHAPES = {"ellipse": "contour", "triangle": "contour", "mask": "contour", "arrow": "point"}
_CLASSES = {"box": "Detection", "point": "Keypoint", "contour": "Polyline", "scribble": "Polyline"}

# Fields of labels in FiftyOne, which an attribute cannot have.
_RESERVED = (
    "id",
    "tags",
    "label",
    "bounding_box",
    "mask",
    "confidence",
    "index",
    "points",
    "closed",
)

Json = dict[str, Any]


def write_fiftyone(dataset: Dataset, target: Target) -> Export:
    """Write a dataset. The images stay where they are."""
    shapes = ShapeConverter(_SHAPES)
    images = [image for image in dataset.images if image.size[0]]
    names = relative_names([image.name for image in images], target.folder, target.paths)
    samples = [_sample(image, names[image.name], shapes) for image in images]
    info = {"classes": {"detections": dataset.labels()}} if dataset.labels() else {}
    files: dict[str, Content] = {
        "samples.json": json_bytes({"samples": samples}),
        "metadata.json": json_bytes({"media_type": "image", "info": info}),
    }
    return Export(files, list(shapes.notes()))


def _sample(image: ExportImage, path: str, shapes: ShapeConverter) -> Json:
    width, height = image.size
    metadata = {"_cls": "ImageMetadata", "width": width, "height": height}
    sample: Json = {"filepath": path, "tags": [], "metadata": metadata}
    for position, region, original in image.marked():
        mark = shapes.convert(original, image.size)
        kind = _CLASSES[mark.shape]
        field = f"{kind.lower()}s"
        answers = image.answers_of(position)
        label: Json = {"_cls": kind, "label": region.label, "tags": []}
        label |= _geometry(mark, image.size)
        if answers and answers[0].probability is not None and kind != "Keypoint":
            label["confidence"] = answers[0].probability
        for name, value in region_attributes(region.extra, answers).items():
            label[_field_name(name)] = value
        listed = sample.setdefault(field, {"_cls": f"{kind}s", field: []})
        listed[field].append(label)
    if image.answers:
        sample["answer"] = {"_cls": "Classification", "tags": [], "label": image.answers[0].text}
        for name, value in answer_attributes(image.answers).items():
            sample["answer"][_field_name(name)] = value
    return sample


def _field_name(name: str) -> str:
    """Return a name that a field of a label can have."""
    valid = "".join(letter if letter.isalnum() else "_" for letter in name)
    return f"extra_{valid}" if valid in _RESERVED or valid.startswith("_") else valid


def _geometry(mark: Mark, size: tuple[int, int]) -> Json:
    width, height = size
    if mark.shape == "box":
        left, top, right, bottom = mark.bounds
        corner, sides = (
            [left / width, top / height],
            [(right - left) / width, (bottom - top) / height],
        )
        return {"bounding_box": corner + sides}
    parts = [_shares(part, size) for part in mark.parts]
    if mark.shape == "point":
        return {"points": parts[0]}
    is_closed = mark.shape == "contour"
    return {"points": parts, "closed": is_closed, "filled": is_closed}


def _shares(points: Points, size: tuple[int, int]) -> list[list[float]]:
    return [[x / size[0], y / size[1]] for x, y in points]
