"""Hugging Face image folders: a `metadata.jsonl` with `objects` for each image -> annotated images.

    {"file_name": "a.jpg", "objects": {"bbox": [[20, 30, 40, 25]], "categories": [0]}}

`objects` may be a list of objects, too.

https://huggingface.co/docs/datasets/image_dataset
"""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, islice
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import iter_lines, read_head_text
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.manifest import json_or_text
from vipllava_cli.sources.manifest_columns import is_like_question
from vipllava_cli.sources.one_file import AnnotationFile, open_split_files
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    declared_size,
    scalar_fields,
)
from vipllava_cli.sources.rows import BadRow

_SIGNATURE = re.compile(
    r'"file_name"\s*:.*"objects"\s*:\s*[\[{]|"objects"\s*:\s*[\[{].*"file_name"\s*:'
)
_LABELS = ("categories", "category", "labels", "label")
_OWN_FIELDS = ("file_name", "objects", "width", "height")
_MAX_SAMPLES = 100  # lines that notes come from


def is_image_folder(name: str) -> bool:
    """Return whether a line at the beginning of a file names an image with objects."""
    head = read_head_text(name).lstrip()
    is_lines = name.lower().endswith(".jsonl")  # elsewhere, the first line decides
    return _SIGNATURE.search(head if is_lines else head.partition("\n")[0]) is not None


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
        notes=tuple(note for file in files for note in _question_notes(file, options.encoding)),
    )


def _question_notes(file: AnnotationFile, encoding: str | None) -> Iterator[str]:
    """Yield a note if the first lines have columns that look like questions."""
    lines = islice(iter_lines(file.path, encoding), _MAX_SAMPLES)
    values = [json_or_text(line.decode("utf-8", "replace")) for _, line in lines]
    names = dict.fromkeys(name for value in values if isinstance(value, dict) for name in value)
    questions = list(filter(is_like_question, names))
    if questions:
        yield (
            f"{file.path}: no question is read from {', '.join(questions)}; --question"
            f" '{{{questions[0]}}}' asks it"
        )


def _iter_images(file: AnnotationFile, encoding: str | None) -> Iterator[AnnotatedImage | BadRow]:
    for number, line in iter_lines(file.path, encoding):
        value = json_or_text(line.decode("utf-8", "replace"))
        fields: Mapping[str, Any] = value if isinstance(value, dict) else {}
        name, objects = fields.get("file_name"), _objects(fields.get("objects"))
        if not isinstance(name, str) or not name or objects is None:
            found_value = short_repr(fields["objects"] if objects is None else value)
            reason = (
                f'{file.path}, line {number}: expected a "file_name" and "objects" with a list "bbox",'
                f" found {found_value}"
            )
            yield BadRow(f"{file.prefix}line {number}", "", InputError(reason))
            continue
        found = file.find_image([name])
        size = declared_size(fields.get("width"), fields.get("height"))
        columns = {name: value for name, value in fields.items() if name not in _OWN_FIELDS}
        regions = tuple(_region(each, scalar_fields(columns)) for each in objects)
        id = f"{file.prefix}{name}"
        yield AnnotatedImage(id, found.path, file.path, regions, size, found.error)


def _objects(value: Any) -> list[Mapping[str, Any]] | None:
    """Return the objects of an image: a list of them, or lists of their fields. None is malformed."""
    if isinstance(value, list):
        return value if all(isinstance(each, dict) for each in value) else None
    if not value:
        return []
    lists = value if isinstance(value, dict) else {}
    boxes = lists.get("bbox")
    if not isinstance(boxes, list):
        return None
    columns = {name: listed for name, listed in lists.items() if isinstance(listed, list)}
    return [
        {name: listed[index] for name, listed in columns.items() if index < len(listed)}
        for index in range(len(boxes))
    ]


def _region(value: Mapping[str, Any], of_image: Mapping[str, Any]) -> Region:
    name = next((name for name in _LABELS if value.get(name) is not None), None)
    label = str(value[name]) if name else None
    columns = scalar_fields({field: each for field, each in value.items() if field != name})
    return Region(label, partial(_mark, value.get("bbox"), label), {**of_image, **columns})


def _mark(box: Any, label: str | None) -> MarkSpec:
    x, y, width, height = check_numbers(box, "a bbox [x, y, width, height]", 4)
    return box_mark(x, y, width, height, label)
