"""LabelMe: one JSON file for each image, with a `description`, `flags` and `attributes` for a shape.

The flags are the choices of `--choices`: the answer is true. https://github.com/wkentaro/labelme
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from vipllava_cli.flows.export.attributes import answer_attributes, region_attributes
from vipllava_cli.flows.export.dataset import UNLABELLED, Answer, Dataset, ExportImage, Region
from vipllava_cli.flows.export.geometry import ShapeConverter, crop, fill, rounded
from vipllava_cli.flows.export.image_names import relative_names
from vipllava_cli.flows.export.output import Content, Export, Target, json_bytes
from vipllava_cli.flows.export.per_image import file_names, source_files
from vipllava_cli.flows.export.read_source import pair_regions
from vipllava_cli.flows.export.texts import describe
from vipllava_cli.images.data_address import is_data_address, is_shortened
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.files import load_json

_SHAPES = {"triangle": "contour", "ellipse": "contour", "arrow": "point"}
_ROUND = 0.01  # pixels between the width and the height of a circle
_VERSION = "5.5.0"  # of the format, as LabelMe writes it
_TYPES = {"box": "rectangle", "point": "point", "scribble": "linestrip", "contour": "polygon"}

Json = dict[str, Any]


def write_labelme(dataset: Dataset, target: Target) -> Export:
    """Write a dataset, or add its answers to the files of the source. Raises InputError."""
    if target.source is not None:
        return Export(_with_answers(dataset, target, target.source.files))
    shapes = ShapeConverter(_SHAPES)
    files: dict[str, Content] = {}
    for image, file in file_names(dataset, target, ".json"):
        folder = (target.folder / file).parent
        path = relative_names([image.name], folder, target.paths)[image.name]
        files[file] = json_bytes(_content(image, path, shapes))
    return Export(files, list(shapes.notes()))


def _content(image: ExportImage, path: str, shapes: ShapeConverter) -> Json:
    is_embedded = is_data_address(path) and not is_shortened(path)
    content: Json = {
        "version": _VERSION,
        "flags": _flags(image.answers),
        "shapes": [
            _shape(image, position, region, _converted(mark, image.size, shapes))
            for position, region, mark in image.marked()
        ],
        "imagePath": "embedded.png" if is_embedded else path,
        "imageData": path.partition(",")[2] if is_embedded else None,
        "imageHeight": image.size[1],
        "imageWidth": image.size[0],
    }
    if image.answers:
        content["description"] = describe(image.answers)
        content["attributes"] = answer_attributes(image.answers)
    return content


def _shape(image: ExportImage, position: int, region: Region, mark: Mark) -> Json:
    answers = image.answers_of(position)
    return {
        "label": region.label or UNLABELLED,
        **_geometry(mark, image.size),
        "group_id": None,
        "description": describe(answers),
        "flags": _flags(answers),
        "attributes": region_attributes(region.extra, answers),
    }


def _converted(mark: Mark, size: tuple[int, int], shapes: ShapeConverter) -> Mark:
    """Convert a mark. A circle stays; other ellipses become outlines."""
    left, top, right, bottom = mark.bounds
    is_circle = mark.shape == "ellipse" and abs((right - left) - (bottom - top)) < _ROUND
    if not is_circle:
        mark = shapes.convert(mark, size)
    return replace(mark, shape="mask") if len(mark.parts) > 1 else mark


def _geometry(mark: Mark, size: tuple[int, int]) -> Json:
    if mark.shape == "ellipse":
        return _ellipse(mark)
    if mark.shape == "mask":
        left, top, pixels = crop(fill(mark.parts, size))
        file = io.BytesIO()
        Image.fromarray(pixels * 255).convert("1").save(file, "PNG")
        right, bottom = left + pixels.shape[1] - 1, top + pixels.shape[0] - 1
        encoded = base64.b64encode(file.getvalue()).decode()
        corners = [[left, top], [right, bottom]]
        return {"points": corners, "shape_type": "mask", "mask": encoded}
    points = [[rounded(x), rounded(y)] for x, y in mark.parts[0]]
    return {"points": points, "shape_type": _TYPES[mark.shape], "mask": None}


def _ellipse(mark: Mark) -> Json:
    """Return the circle of a mark: its centre, and a point on its edge."""
    left, top, right, bottom = mark.bounds
    x, y = (left + right) / 2, (top + bottom) / 2
    points = [[rounded(x), rounded(y)], [rounded(right), rounded(y)]]
    return {"points": points, "shape_type": "circle", "mask": None}


def _flags(answers: Sequence[Answer]) -> dict[str, bool]:
    """Return the choices of the answers, each with whether it is the answer."""
    flags: dict[str, bool] = {}
    for answer in answers:
        for choice in answer.choices:
            flags[choice] = flags.get(choice, False) or choice == answer.text
    return flags


# --- the source ------------------------------------------------------------------------------


def _with_answers(dataset: Dataset, target: Target, sources: Sequence[str]) -> dict[str, Content]:
    files: dict[str, Content] = {}
    for image, file, source in source_files(dataset, target, sources):
        content = load_json(source, encoding=target.encoding)
        regions = pair_regions(content["shapes"], image, source)
        for position, (shape, region) in enumerate(regions):
            answers = image.answers_of(position)
            if isinstance(shape, dict) and answers:
                shape["description"] = describe(answers) or shape.get("description") or ""
                shape["flags"] = {**_object(shape.get("flags")), **_flags(answers)}
                own = answer_attributes(answers)
                shape["attributes"] = {**_object(shape.get("attributes")), **own}
            if isinstance(shape, dict) and region.is_relabelled:
                shape["label"] = region.label
        if image.answers:
            content["description"] = describe(image.answers)
            content["attributes"] = answer_attributes(image.answers)
        content["imagePath"] = _moved(image, target.folder / file, content, target)
        files[file] = json_bytes(content)
    return files


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _moved(image: ExportImage, file: Path, content: Json, target: Target) -> Any:
    """Return the path of the image from the place of the new file, if the image was found."""
    if not target.paths.exists(image.name):
        return content.get("imagePath")
    return relative_names([image.name], file.parent, target.paths)[image.name]
