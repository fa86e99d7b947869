"""Hugging Face image folders: a `metadata.jsonl` with `objects` for each image -> annotated images.

    {"file_name": "a.jpg", "objects": {"bbox": [[20, 30, 40, 25]], "categories": [0]}}

https://huggingface.co/docs/datasets/image_dataset
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import iter_lines, read_head_text
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.manifest import json_or_text
from vipllava_cli.sources.one_file import AnnotationFile, open_split_files
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    declared_size,
)
from vipllava_cli.sources.rows import BadRow

_SIGNATURE = re.compile(r'"file_name"\s*:.*"objects"\s*:\s*\{|"objects"\s*:\s*\{.*"file_name"\s*:')
_LABELS = ("categories", "category", "labels", "label")


def is_image_folder(name: str) -> bool:
    """Return whether the first line of a file names an image with objects."""
    return _SIGNATURE.search(read_head_text(name).lstrip().partition("\n")[0]) is not None


def read_image_folder(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a `metadata.jsonl`, or those of a folder and of its splits. Raises InputError."""
    format = SourceFormat.image_folder
    files = open_split_files(name, options, format, ".jsonl", is_image_folder)
    if not is_image_folder(files[0].path):
        raise InputError(
            f'{files[0].path} is not of an image folder: expected lines with "file_name" and "objects"'
        )
    return Annotations(
        name,
        format,
        lambda: chain.from_iterable(_iter_images(file, options.encoding) for file in files),
    )


def _iter_images(file: AnnotationFile, encoding: str | None) -> Iterator[AnnotatedImage | BadRow]:
    for number, line in iter_lines(file.path, encoding):
        value = json_or_text(line.decode("utf-8", "replace"))
        fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
        name, objects = fields.get("file_name"), fields.get("objects") or {}
        boxes = objects.get("bbox", []) if isinstance(objects, dict) else None
        if not isinstance(name, str) or not name or not isinstance(boxes, list):
            reason = (
                f'{file.path}, line {number}: expected a "file_name" and "objects" with a list "bbox",'
                f" found {short_repr(value)}"
            )
            yield BadRow(f"{file.prefix}line {number}", "", InputError(reason))
            continue
        labels = next((objects[field] for field in _LABELS if field in objects), None)
        found = file.find_image([name])
        size = declared_size(fields.get("width"), fields.get("height"))
        regions = tuple(_region(box, labels, index) for index, box in enumerate(boxes))
        id = f"{file.prefix}{name}"
        yield AnnotatedImage(id, found.path, file.path, regions, size, found.error)


def _region(box: Any, labels: Any, index: int) -> Region:
    is_labelled = isinstance(labels, list) and index < len(labels) and labels[index] is not None
    label = str(labels[index]) if is_labelled else None
    return Region(label, partial(_mark, box, label))


def _mark(box: Any, label: str | None) -> MarkSpec:
    x, y, width, height = check_numbers(box, "a bbox [x, y, width, height]", 4)
    return box_mark(x, y, width, height, label)
