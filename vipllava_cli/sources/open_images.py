"""Open Images: a CSV with one box or one mask per line -> annotated images.

Coordinates are shares of the sides. A mask is a PNG, which may be smaller than the image. The names of
the classes are in another CSV. https://storage.googleapis.com/openimages/web/download_v7.html
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import groupby
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.marks.json_marks import is_finite_number
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import read_head_text, read_text
from vipllava_cli.sources.folder import image_names, image_suffixes
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.one_file import AnnotationFile, open_annotation_file
from vipllava_cli.sources.plain_tables import iter_records, table_columns
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    region_mark,
    to_number,
)
from vipllava_cli.sources.rows import BadRow

_EDGES = ("XMin", "YMin", "XMax", "YMax")
_MASK = "MaskPath"
_ID = "/m/"  # how the id of a class begins
_COLUMNS = {"ImageID", "LabelName"}
_FLAGS = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
_CLASS_FILE = "class-descriptions"  # a part of the name
# Relative to the folder of the table: where the file of the classes may be.
_CLASS_FOLDERS = ("", os.pardir, "metadata", os.path.join(os.pardir, "metadata"))

LineGroups = Iterator[tuple[str, Iterable[Mapping[str, str]]]]  # the id of an image, its lines


def is_open_images(name: str) -> bool:
    """Return whether a table has the columns of Open Images."""
    columns = set(table_columns(name))
    return columns >= _COLUMNS and (columns >= {*_EDGES} or _MASK in columns)


def read_open_images(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a table of boxes or masks, or the only one in a folder. Raises InputError."""
    file = open_annotation_file(name, options, SourceFormat.open_images, ".csv", is_open_images)
    if not is_open_images(file.path):
        expected = ", ".join(("ImageID", "LabelName", *_EDGES))
        raise InputError(
            f"{file.path} is not of Open Images: expected the columns {expected} or {_MASK}"
        )
    classes = _class_names(file.path)
    note = (
        f"{file.path}: the labels are ids like /m/01g317; a file class-descriptions-boxable.csv beside"
        " it gives their names"
    )
    return Annotations(
        name,
        SourceFormat.open_images,
        partial(_iter_images, file, _line_groups(file.path, options.encoding), classes),
        notes=(note,) if not classes and _ID in read_head_text(file.path) else (),
    )


def _class_names(table: str) -> dict[str, str]:
    """Return the names of the classes by id, from the file that is near the table."""
    for folder in _CLASS_FOLDERS:
        path = os.path.normpath(os.path.join(os.path.dirname(table), folder))
        if not os.path.isdir(path):
            continue
        for name in sorted(os.listdir(path)):
            if _CLASS_FILE in name and name.lower().endswith(".csv"):
                return _read_class_names(os.path.join(path, name))
    return {}


def _read_class_names(name: str) -> dict[str, str]:
    """Read lines of an id and a name. A name may contain commas, and the first line no header."""
    pairs = (line.partition(",") for line in read_text(name).splitlines())
    return {id.strip(): label.strip().strip('"') for id, _, label in pairs if label.strip()}


def _line_groups(table: str, encoding: str | None) -> Callable[[], LineGroups]:
    """Return what iterates over the images with their lines, in the order of the images' first lines.

    Reads all lines into memory only if the lines of an image do not follow each other.
    """
    records = partial(iter_records, table, encoding)
    seen: set[str] = set()
    for id, _ in groupby(records(), _image_id):
        if id in seen:
            return partial(_iter_groups, records)
        seen.add(id)
    return lambda: groupby(records(), _image_id)


def _iter_groups(records: Callable[[], Iterable[Mapping[str, str]]]) -> LineGroups:
    groups: dict[str, list[Mapping[str, str]]] = {}
    for record in records():
        groups.setdefault(_image_id(record), []).append(record)
    yield from groups.items()


def _image_id(record: Mapping[str, str]) -> str:
    return record.get("ImageID") or ""


def _iter_images(
    file: AnnotationFile, line_groups: Callable[[], LineGroups], classes: Mapping[str, str]
) -> Iterator[AnnotatedImage | BadRow]:
    for id, lines in line_groups():
        is_name = id.lower().endswith(image_suffixes())
        found = file.find_image([id] if is_name else image_names(id))
        regions = tuple(_region(line, classes, file) for line in lines)
        yield AnnotatedImage(id, found.path, file.path, regions, None, found.error)


def _region(line: Mapping[str, str], classes: Mapping[str, str], file: AnnotationFile) -> Region:
    id = line.get("LabelName") or None
    label = classes.get(id, id) if id else None
    build = _mask if line.get(_MASK) else _box
    return Region(label, partial(build, line, label, file), _extra(line, id, label))


def _extra(line: Mapping[str, str], id: str | None, label: str | None) -> dict[str, Any]:
    """Return the confidence, the flags that are known, and the id of the class if it has a name."""
    extra: dict[str, Any] = {} if id == label else {"label_id": id}
    for column, name in {"Confidence": "confidence", "PredictedIoU": "predicted_iou"}.items():
        value = to_number(line.get(column))
        if is_finite_number(value):
            extra[name] = value
    flags = {name: line.get(name, "").strip() for name in _FLAGS}
    return {**extra, **{name: int(flag) for name, flag in flags.items() if flag in ("0", "1")}}


def _box(line: Mapping[str, str], label: str | None, _: AnnotationFile) -> MarkSpec:
    edges = [line.get(edge) for edge in _EDGES]
    x1, y1, x2, y2 = check_numbers(edges, f"{', '.join(_EDGES)} from 0 to 1")
    return box_mark(x1, y1, x2 - x1, y2 - y1, label, "unit")


def _mask(line: Mapping[str, str], label: str | None, file: AnnotationFile) -> MarkSpec:
    """Make a mask of the bright pixels of a PNG. Raises InputError."""
    import numpy as np

    from vipllava_cli.images.load import load_image
    from vipllava_cli.marks.masks import trace_outlines

    name = line[_MASK]
    subset = os.path.basename(file.path).partition("-")[0]
    folders = ("", "masks/", "../masks/", f"masks/{subset}/", f"../masks/{subset}/")
    found = file.find_image([folder + name for folder in folders])
    if found.error:
        raise found.error
    if os.path.getsize(found.path) == 0:
        raise InputError(f"the mask {name} is empty or in an archive: unpack its archive first")
    pixels = np.asarray(load_image(found.path, over=(0, 0, 0)).convert("L"))
    outlines = trace_outlines((pixels > 0).astype(np.uint8))
    if not outlines:
        raise InputError(f"the mask {name} contains no region: expected one of several pixels")
    height, width = pixels.shape
    shares = [
        [value / (height if number % 2 else width) for number, value in enumerate(outline)]
        for outline in outlines
    ]
    return region_mark("mask", shares, label, "unit")
