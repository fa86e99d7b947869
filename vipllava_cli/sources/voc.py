"""Pascal VOC: one XML file per image, alone or in a folder -> annotated images.

VOC counts pixels from 1, and a box includes its last pixel: xmin 1 is the left edge of the image, and
xmax equals the width at its right edge. So left = xmin - 1, top = ymin - 1, right = xmax and
bottom = ymax. Many tools write edges from 0 instead. A box with an xmin or ymin below 1 comes from such
a tool, and its edges are used unchanged.
http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

import os
import re
from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import (
    first_existing,
    open_binary,
    read_head,
    relative_path,
    resolve_path,
)
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.per_image import read_per_image
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
)

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIGNATURE = re.compile(rb"<annotation[\s>]")
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_IMAGE_FOLDERS = ("", os.path.join("..", "JPEGImages"), os.path.join("..", "images"))


def is_voc(name: str) -> bool:
    """Return whether a file starts like Pascal VOC. It may still be malformed."""
    return _SIGNATURE.search(read_head(name)) is not None


def read_voc(name: str) -> Annotations:
    """Read one VOC file, or those of a folder. Raises InputError for any other file."""
    return read_per_image(name, SourceFormat.voc, ".xml", is_voc, _read_file)


def _read_file(file: str, folder: str) -> AnnotatedImage:
    root = _parse_xml(file)
    if root.tag != "annotation":
        found = short_repr(root.tag)
        raise InputError(f"{file} is not Pascal VOC: expected an <annotation>, found {found}")
    image = _find_image(file, _child_text(root, "filename"))
    regions = tuple(_region(element) for element in root.findall("object"))
    return AnnotatedImage(relative_path(image, folder), image, file, regions)


def _parse_xml(file: str) -> "Element":
    """Parse an XML file. Refuses entities, which could expand to fill the memory. Raises InputError."""
    from defusedxml.ElementTree import ParseError, parse

    try:
        with open_binary(file) as content:
            root: Element | None = parse(content).getroot()
    except (ParseError, ValueError, LookupError) as error:  # also an entity, an unknown encoding
        raise InputError(f"{file} is not valid XML: {error}") from None
    if root is None:
        raise InputError(f"{file} is empty: expected an <annotation>")
    return root


def _find_image(file: str, filename: str | None) -> str:
    """Find the image beside the XML file, or in the folders that VOC datasets use.

    Some tools write `filename` without a suffix, so this also tries the name of the XML file.
    """
    folder, own_name = os.path.split(file)
    stem = os.path.splitext(own_name)[0]
    names = [stem + suffix for suffix in image_suffixes()]
    if filename:
        names = [filename, *names]
    return first_existing(
        resolve_path(os.path.join(folder, subfolder), name)
        for name in names
        for subfolder in _IMAGE_FOLDERS
    )


def _region(element: "Element") -> Region:
    label = _child_text(element, "name")
    extra = {"difficult": 1} if _child_text(element, "difficult") == "1" else {}
    return Region(label, partial(_mark, element, label), extra)


def _mark(element: "Element", label: str | None) -> MarkSpec:
    box = element.find("bndbox")
    edges = [None if box is None else _number(_child_text(box, edge)) for edge in _EDGES]
    left, top, right, bottom = check_numbers(edges, f"a bndbox of {', '.join(_EDGES)}")
    if min(left, top) >= 1:
        left, top = left - 1, top - 1
    return box_mark(left, top, right - left, bottom - top, label)


def _child_text(element: "Element", name: str) -> str | None:
    """Return the text of a child element, or None if it is missing or empty."""
    return (element.findtext(name) or "").strip() or None


def _number(text: str | None) -> float | str | None:
    """Convert text to a number. Other text stays as it is: `check_numbers` reports it."""
    try:
        return float(text or "")
    except ValueError:
        return text
