"""Open Images: a CSV with one box per line, in shares of the sides -> annotated images.

https://storage.googleapis.com/openimages/web/download_v7.html
"""

import csv
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import groupby

from vipllava_cli.errors import InputError
from vipllava_cli.marks.json_marks import is_finite_number
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import iter_utf8_lines, read_head_text
from vipllava_cli.sources.folder import image_names
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.one_file import AnnotationFile, open_annotation_file
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    to_number,
)
from vipllava_cli.sources.rows import BadRow

_EDGES = ("XMin", "YMin", "XMax", "YMax")
_COLUMNS = {"ImageID", "LabelName", *_EDGES}


def is_open_images(name: str) -> bool:
    """Return whether a table has the columns of Open Images."""
    header = read_head_text(name).partition("\n")[0]
    return {cell.strip().strip('"') for cell in header.split(",")} >= _COLUMNS


def read_open_images(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a table of boxes, or the only one in a folder. Raises InputError."""
    file = open_annotation_file(name, options, SourceFormat.open_images, ".csv", is_open_images)
    if not is_open_images(file.path):
        expected = ", ".join(("ImageID", "LabelName", *_EDGES))
        raise InputError(f"{file.path} is not of Open Images: expected the columns {expected}")
    return Annotations(
        name, SourceFormat.open_images, partial(_iter_images, file, options.encoding)
    )


def _iter_images(file: AnnotationFile, encoding: str | None) -> Iterator[AnnotatedImage | BadRow]:
    """Iterate over the images. The lines of an image follow each other, so that any table fits."""
    lines = _iter_boxes(file.path, encoding)
    for id, boxes in groupby(lines, lambda box: box.get("ImageID") or ""):
        found = file.find_image(image_names(id))
        regions = tuple(map(_region, boxes))
        yield AnnotatedImage(id, found.path, file.path, regions, None, found.error)


def _iter_boxes(path: str, encoding: str | None) -> Iterator[dict[str, str]]:
    lines = (line.decode("utf-8", "replace") for line in iter_utf8_lines(path, encoding))
    try:
        yield from csv.DictReader(lines)
    except csv.Error as error:
        raise InputError(f"{path} is no table with commas ({error}): correct it") from None


def _region(box: Mapping[str, str]) -> Region:
    label = box.get("LabelName")
    confidence = to_number(box.get("Confidence"))
    extra = {"confidence": confidence} if is_finite_number(confidence) else {}
    return Region(label, partial(_mark, dict(box), label), extra)


def _mark(box: Mapping[str, str], label: str | None) -> MarkSpec:
    edges = [box.get(edge) for edge in _EDGES]
    x1, y1, x2, y2 = check_numbers(edges, f"{', '.join(_EDGES)} from 0 to 1")
    return box_mark(x1, y1, x2 - x1, y2 - y1, label, "unit")
