"""COCO: one JSON with `images`, `annotations` and `categories` -> annotated images.

A region is the `bbox` [x, y, width, height] as a box; without one, its `segmentation`, polygons or
run lengths, as a contour. https://cocodataset.org/#format-data
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import first_existing, holds, load_json, resolve_path
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    numbers,
    region_mark,
    unknown_region,
)
from vipllava_cli.sources.rows import BadRow

_SIGNATURE = (rb'"images"\s*:\s*\[', rb'"(?:annotations|categories)"\s*:\s*\[')

Object = Mapping[str, Any]


def is_coco(name: str) -> bool:
    """Whether a file of JSON looks like COCO's; it may be broken all the same."""
    return holds(name, map(re.compile, _SIGNATURE))


def read_coco(name: str) -> Annotations:
    """The images of a COCO file. Raises InputError for another."""
    value = load_json(name)
    images = value.get("images") if isinstance(value, dict) else None
    if not isinstance(images, list):
        raise InputError(
            f'{name} is not COCO: expected an object with "images", found {short_repr(value)}'
        )
    labels = _labels(value.get("categories"))
    annotations = value.get("annotations") or []
    if not isinstance(annotations, list):
        raise InputError(
            f'{name}: expected a list of "annotations", found {short_repr(annotations)}'
        )
    return Annotations(
        name,
        "coco",
        partial(_images, name, images, _by_image(annotations), labels),
        tuple(labels.values()),
        notes=() if labels else (f"{name} names no categories: the labels are their numbers",),
    )


def _labels(categories: Any) -> dict[Any, str]:
    """The names of the categories by number; what is no category names nothing."""
    return {
        category["id"]: str(category["name"])
        for category in (categories if isinstance(categories, list) else [])
        if isinstance(category, dict) and "name" in category and _is_key(category.get("id"))
    }


def _by_image(annotations: Sequence[Any]) -> dict[Any, list[Any]]:
    """The annotations by the number of their image; None for those that name none."""
    found: dict[Any, list[Any]] = {}
    for annotation in annotations:
        key = annotation.get("image_id") if isinstance(annotation, dict) else None
        found.setdefault(key if _is_key(key) else None, []).append(annotation)
    return found


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str)


def _images(
    name: str,
    images: Sequence[Any],
    annotations: Mapping[Any, Sequence[Any]],
    labels: Mapping[Any, str],
) -> Iterator[AnnotatedImage | BadRow]:
    """Each image with its regions, then what belongs to no image."""
    listed = set()
    for number, image in enumerate(images, 1):
        fields = image if isinstance(image, dict) else {}
        key = fields.get("id") if _is_key(fields.get("id")) else None
        listed.add(key)
        file = fields.get("file_name")
        if not isinstance(file, str) or not file:
            why = f'{name}, image {number}: expected a "file_name", found {short_repr(image)}'
            yield BadRow(f"image {number}", "", InputError(why))
            continue
        regions = annotations.get(key, ()) if key is not None else ()
        yield AnnotatedImage(
            file, _find(name, file), name, tuple(_region(each, labels) for each in regions)
        )
    for key, lost in annotations.items():
        if key is None or key not in listed:
            yield from (_lost(name, annotation) for annotation in lost)


def _lost(name: str, annotation: Any) -> BadRow:
    known = annotation.get("id") if isinstance(annotation, dict) else None
    at = f"annotation {known if _is_key(known) else '?'}"
    why = f'{name}, {at}: expected the "image_id" of a listed image, found {short_repr(annotation)}'
    return BadRow(at, "", InputError(why))


def _find(name: str, file: str) -> str:
    """The image: beside the JSON, or where the sets of COCO and its like keep it."""
    folder = os.path.dirname(name)
    split = os.path.splitext(os.path.basename(name))[0].removeprefix("instances_")
    places = ("", "images", os.path.join("..", "images"), os.path.join("..", split))
    return first_existing(resolve_path(os.path.join(folder, place), file) for place in places)


def _region(annotation: Object, labels: Mapping[Any, str]) -> Region:
    key = annotation.get("category_id")
    if labels and not (_is_key(key) and key in labels):
        why = f'expected the "category_id" of a listed category, found {short_repr(key)}'
        return unknown_region(InputError(why))
    label = labels[key] if labels else None if key is None else str(key)
    extra = {"annotation_id": annotation.get("id")}
    if annotation.get("iscrowd"):
        extra["iscrowd"] = 1
    return Region(label, partial(_mark, annotation, label), extra)


def _mark(annotation: Object, label: str | None) -> MarkSpec:
    """The box or, without one, the outline."""
    box, outline = annotation.get("bbox"), annotation.get("segmentation")
    if box is not None:
        x, y, width, height = numbers(box, "a bbox [x, y, width, height]", 4)
        return box_mark(x, y, width, height, label)
    if not outline:
        raise InputError(f'expected a "bbox" or a "segmentation", found {short_repr(annotation)}')
    coords = _outlines(outline) if isinstance(outline, dict) else outline
    return region_mark("contour", coords, label)


# --- run lengths -----------------------------------------------------------------------------


def _outlines(rle: Object) -> list[list[float]]:
    """The outlines of {"size": [height, width], "counts": a list, or text if compressed}: a flat
    list of pixel centres for each part. Raises InputError.
    """
    import numpy as np

    from vipllava_cli.marks.masks import trace_outlines

    height, width = _size(rle.get("size"))
    counts = rle.get("counts")
    runs = _runs(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(map(_is_length, runs)) or sum(runs) != height * width:
        raise InputError(
            f"expected run lengths that add up to {height}x{width} pixels, found {short_repr(counts)}"
        )
    # Column by column, beginning outside. Not by pycocotools 2.0.11: its decoding shows what else lay
    # in memory where the runs end too soon, and raises NumPy's warning of a call that will go.
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    inside = np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)
    parts = trace_outlines(inside)
    if not parts:
        raise InputError("the run lengths show no region: expected one of several pixels")
    return parts


def _size(value: Any) -> tuple[int, int]:
    from vipllava_cli.images.load import MAX_PIXELS

    if isinstance(value, list) and len(value) == 2 and all(_is_length(side) for side in value):
        height, width = value
        if 0 < height * width <= MAX_PIXELS:
            return height, width
    raise InputError(f"expected a size [height, width] in pixels, found {short_repr(value)}")


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _runs(compressed: str) -> list[int]:
    """The run lengths of COCO's compressed text: numbers of five bits a letter, the lowest first,
    each from the fourth on less the number two before it (`rleFrString` of COCO's maskApi.c).
    Text that is cut short gives lengths that do not add up.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in compressed:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs
