"""One annotation of a COCO file -> a region."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.json_marks import is_finite_number
from vipllava_cli.marks.types import XY, DeclaredSize, MarkSpec
from vipllava_cli.sources.region_shapes import points_mark
from vipllava_cli.sources.regions import (
    Region,
    box_mark,
    check_numbers,
    region_mark,
    rotated_box_mark,
    scalar_fields,
    to_number,
    unreadable_region,
)
from vipllava_cli.sources.run_lengths import rle_outlines, rle_size

JsonObject = Mapping[str, Any]

_WHOLE_NUMBER = re.compile(r"\s*(-?\d{1,19})(?:\.0*)?\s*")
# the attribute with which `export` says that the outline counts, not the box
MARK_SHAPE = "mark_shape"
_OUTLINED = ("triangle", "contour", "mask")


def id_key(value: Any) -> int | str | None:
    """Return an id in a form that compares by value: 1, 1.0, "1" and "1.0" are one id. None is no id."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    if isinstance(value, str):
        number = _WHOLE_NUMBER.fullmatch(value)
        return int(number[1]) if number else value
    return int(value) if isinstance(value, int | float) else None


def coco_region(annotation: Any, labels: Mapping[int | str, str]) -> Region:
    """Make the region of an annotation. `labels` maps the ids of categories; it may be empty."""
    if not isinstance(annotation, dict):
        reason = f"expected an annotation as an object, found {short_repr(annotation)}"
        return unreadable_region(InputError(reason))
    category = annotation.get("category_id")
    key = id_key(category)
    named = None if key is None else labels.get(key)
    label = named if labels else None if category is None else str(category)
    extra = scalar_fields(annotation.get("attributes"))
    id = annotation.get("id")
    extra["annotation_id"] = id if isinstance(id, str) or is_finite_number(id) else None
    if is_finite_number(annotation.get("score")):
        extra["score"] = annotation["score"]
    if annotation.get("iscrowd"):
        extra["iscrowd"] = 1
    return Region(label, partial(_mark, annotation, label), extra)


def _mark(annotation: JsonObject, label: str | None) -> MarkSpec:
    """Make the mark of an annotation: its box or, without one, its outline or its keypoints."""
    box, segmentation = annotation.get("bbox"), annotation.get("segmentation")
    attributes = annotation.get("attributes")
    shape = attributes.get(MARK_SHAPE) if isinstance(attributes, dict) else None
    if shape == "point" and annotation.get("keypoints"):
        points = check_numbers(annotation["keypoints"], "keypoints [x, y, visibility]", 3)
        return region_mark("point", points[:2], label)
    if shape in _OUTLINED and segmentation:
        return _outline(segmentation, label, shape)
    if _is_missing_box(box) and segmentation not in (None, [], [[]]):
        return _outline(segmentation, label)
    if _is_missing_box(box) and annotation.get("keypoints"):
        return points_mark(_visible_points(annotation["keypoints"]), label)
    if not box:
        raise InputError(f'expected a "bbox" or a "segmentation", found {short_repr(annotation)}')
    x, y, width, height = check_numbers(box, "a bbox [x, y, width, height]", 4)
    angle = _rotation(annotation)
    if angle:
        centre = x + width / 2, y + height / 2
        return rotated_box_mark(centre, (width, height), angle, label)
    return box_mark(x, y, width, height, label)


def _visible_points(keypoints: Any) -> list[XY]:
    """Return the keypoints of a list x, y, visibility, … that are labelled. Raises InputError."""
    numbers = check_numbers(keypoints, "keypoints [x, y, visibility, …]")
    points = zip(numbers[::3], numbers[1::3], numbers[2::3], strict=False)
    return [(x, y) for x, y, visibility in points if visibility]


def _is_missing_box(box: Any) -> bool:
    """Return whether there is no box. Programs that make only masks write four zeros or nulls."""
    if not box:
        return True
    is_list = isinstance(box, Sequence) and not isinstance(box, str)
    return is_list and (
        all(value is None for value in box) or all(to_number(value) == 0 for value in box)
    )


def _rotation(annotation: JsonObject) -> float:
    """Return the clockwise rotation in degrees that CVAT writes. Raises InputError."""
    attributes = annotation.get("attributes")
    value = to_number(attributes.get("rotation")) if isinstance(attributes, dict) else None
    if value is None:
        return 0.0
    if not is_finite_number(value):
        raise InputError(f"expected a rotation in degrees, found {short_repr(value)}")
    return math.fmod(value, 360)


def _outline(segmentation: Any, label: str | None, shape: str = "contour") -> MarkSpec:
    if isinstance(segmentation, dict):
        mark = region_mark(shape, rle_outlines(segmentation), label)
        height, width = rle_size(segmentation.get("size"))
        return replace(mark, declared=DeclaredSize(width, height))
    if isinstance(segmentation, list) and any(isinstance(part, list) for part in segmentation):
        segmentation = [part for part in segmentation if part != []] or segmentation
    return region_mark(shape, segmentation, label)
