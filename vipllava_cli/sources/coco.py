"""COCO: one JSON file with `images`, `annotations` and `categories` -> annotated images.

The `bbox` [x, y, width, height] of an annotation becomes a box. An annotation without a `bbox`
becomes a contour of its `segmentation`: polygons or run lengths. https://cocodataset.org/#format-data
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import first_existing, load_json, matches_all, resolve_path
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    region_mark,
    unreadable_region,
)
from vipllava_cli.sources.rows import BadRow

_SIGNATURE = (rb'"images"\s*:\s*\[', rb'"(?:annotations|categories)"\s*:\s*\[')

JsonObject = Mapping[str, Any]


def is_coco(name: str) -> bool:
    """Return whether a JSON file looks like COCO. It may still be malformed."""
    return matches_all(name, map(re.compile, _SIGNATURE))


def read_coco(name: str) -> Annotations:
    """Read a COCO file. Raises InputError for any other file."""
    content = load_json(name)
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        raise InputError(
            f'{name} is not COCO: expected an object with "images", found {short_repr(content)}'
        )
    labels = _labels(content.get("categories"))
    annotations = content.get("annotations") or []
    if not isinstance(annotations, list):
        raise InputError(
            f'{name}: expected a list of "annotations", found {short_repr(annotations)}'
        )
    return Annotations(
        name,
        SourceFormat.coco,
        partial(_iter_images, name, images, _group_by_image(annotations), labels),
        tuple(labels.values()),
        notes=() if labels else (f"{name} has no categories: the labels are category numbers",),
    )


def _labels(categories: Any) -> dict[Any, str]:
    """Map category ids to names. Leaves out malformed categories."""
    return {
        category["id"]: str(category["name"])
        for category in (categories if isinstance(categories, list) else [])
        if isinstance(category, dict) and "name" in category and _is_key(category.get("id"))
    }


def _group_by_image(annotations: Sequence[Any]) -> dict[Any, list[Any]]:
    """Group annotations by image id. The key None collects those without an id."""
    groups: dict[Any, list[Any]] = {}
    for annotation in annotations:
        key = annotation.get("image_id") if isinstance(annotation, dict) else None
        groups.setdefault(key if _is_key(key) else None, []).append(annotation)
    return groups


def _is_key(value: Any) -> bool:
    return isinstance(value, int | str)


def _iter_images(
    name: str,
    images: Sequence[Any],
    annotations: Mapping[Any, Sequence[Any]],
    labels: Mapping[Any, str],
) -> Iterator[AnnotatedImage | BadRow]:
    """Iterate over the images with their regions, then over annotations without an image."""
    listed = set()
    for number, image in enumerate(images, 1):
        fields = image if isinstance(image, dict) else {}
        key = fields.get("id") if _is_key(fields.get("id")) else None
        listed.add(key)
        file = fields.get("file_name")
        if not isinstance(file, str) or not file:
            reason = f'{name}, image {number}: expected a "file_name", found {short_repr(image)}'
            yield BadRow(f"image {number}", "", InputError(reason))
            continue
        of_image = annotations.get(key, ()) if key is not None else ()
        regions = tuple(_region(annotation, labels) for annotation in of_image)
        yield AnnotatedImage(file, _find_image(name, file), name, regions)
    for key, orphans in annotations.items():
        if key is None or key not in listed:
            yield from (_orphan_row(name, annotation) for annotation in orphans)


def _orphan_row(name: str, annotation: Any) -> BadRow:
    """Make the bad row for an annotation that belongs to no listed image."""
    key = annotation.get("id") if isinstance(annotation, dict) else None
    position = f"annotation {key if _is_key(key) else '?'}"
    found = short_repr(annotation)
    reason = f'{name}, {position}: expected the "image_id" of a listed image, found {found}'
    return BadRow(position, "", InputError(reason))


def _find_image(name: str, file: str) -> str:
    """Find an image beside the JSON file, or in the folders that COCO datasets use."""
    folder = os.path.dirname(name)
    split = os.path.splitext(os.path.basename(name))[0].removeprefix("instances_")
    subfolders = ("", "images", os.path.join("..", "images"), os.path.join("..", split))
    return first_existing(
        resolve_path(os.path.join(folder, subfolder), file) for subfolder in subfolders
    )


def _region(annotation: JsonObject, labels: Mapping[Any, str]) -> Region:
    key = annotation.get("category_id")
    if labels and not (_is_key(key) and key in labels):
        reason = f'expected the "category_id" of a listed category, found {short_repr(key)}'
        return unreadable_region(InputError(reason))
    label = labels[key] if labels else None if key is None else str(key)
    extra = {"annotation_id": annotation.get("id")}
    if annotation.get("iscrowd"):
        extra["iscrowd"] = 1
    return Region(label, partial(_mark, annotation, label), extra)


def _mark(annotation: JsonObject, label: str | None) -> MarkSpec:
    """Make the mark of an annotation: its box or, without one, its outline."""
    box, segmentation = annotation.get("bbox"), annotation.get("segmentation")
    if box is not None:
        x, y, width, height = check_numbers(box, "a bbox [x, y, width, height]", 4)
        return box_mark(x, y, width, height, label)
    if not segmentation:
        raise InputError(f'expected a "bbox" or a "segmentation", found {short_repr(annotation)}')
    is_rle = isinstance(segmentation, dict)
    coords = _rle_outlines(segmentation) if is_rle else segmentation
    return region_mark("contour", coords, label)


# --- run lengths -----------------------------------------------------------------------------


def _rle_outlines(rle: JsonObject) -> list[list[float]]:
    """Trace the outlines of a run-length encoded mask, one flat list of pixel centres per part.

    `rle` is {"size": [height, width], "counts": a list of run lengths, or a compressed string}.
    Raises InputError.
    """
    import numpy as np

    from vipllava_cli.marks.masks import trace_outlines

    height, width = _rle_size(rle.get("size"))
    counts = rle.get("counts")
    runs = _decompress_runs(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(map(_is_length, runs)) or sum(runs) != height * width:
        raise InputError(
            f"expected run lengths that add up to {height}x{width} pixels, found {short_repr(counts)}"
        )
    # Runs go column by column and start outside the region. This does not call pycocotools: its
    # version 2.0.11 exposes uninitialised memory if the runs are too short, and triggers a NumPy
    # deprecation warning.
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    mask = np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)
    outlines = trace_outlines(mask)
    if not outlines:
        raise InputError("the run lengths contain no region: expected one of several pixels")
    return outlines


def _rle_size(value: Any) -> tuple[int, int]:
    """Check the size of a mask: (height, width). Raises InputError."""
    from vipllava_cli.images.load import MAX_PIXELS

    if isinstance(value, list) and len(value) == 2 and all(_is_length(side) for side in value):
        height, width = value
        if 0 < height * width <= MAX_PIXELS:
            return height, width
    raise InputError(f"expected a size [height, width] in pixels, found {short_repr(value)}")


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _decompress_runs(compressed: str) -> list[int]:
    """Decompress run lengths as `rleFrString` of COCO's maskApi.c does.

    Each character holds 5 bits of a number, lowest bits first, and a bit that is set if the number
    continues. From the fourth number on, a value is the difference to the number two before it.
    A truncated string gives lengths that do not add up.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in compressed:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:  # the sign bit
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs
