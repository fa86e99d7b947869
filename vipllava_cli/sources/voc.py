"""Pascal VOC: an XML for each image, alone or in a folder -> annotated images.

VOC counts pixels from 1 and its box includes the last one: xmin 1 is the left edge of the image,
and xmax its width is the right one. So left = xmin - 1, top = ymin - 1, right = xmax, bottom = ymax.
Many tools write edges from 0 instead; a box with an xmin or ymin below 1 is theirs, and is taken as
it is. http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
"""

import os
import re
from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import first_existing, head, opened, relative, resolve_path
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.sources.per_image import read_per_image
from vipllava_cli.sources.regions import AnnotatedImage, Annotations, Region, box_mark, numbers

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_SIGNATURE = re.compile(rb"<annotation[\s>]")
_EDGES = ("xmin", "ymin", "xmax", "ymax")
_FOLDERS = ("", os.path.join("..", "JPEGImages"), os.path.join("..", "images"))


def is_voc(name: str) -> bool:
    """Whether the file begins like one of VOC's; it may be broken all the same."""
    return _SIGNATURE.search(head(name)) is not None


def read_voc(name: str) -> Annotations:
    """The image of one VOC file, or those of a folder. Raises InputError for another."""
    return read_per_image(name, "voc", ".xml", is_voc, _read)


def _read(file: str, folder: str) -> AnnotatedImage:
    root = _parse(file)
    if root.tag != "annotation":
        found = short_repr(root.tag)
        raise InputError(f"{file} is not Pascal VOC: expected an <annotation>, found {found}")
    image = _find(file, _text(root, "filename"))
    regions = tuple(_region(thing) for thing in root.findall("object"))
    return AnnotatedImage(relative(image, folder), image, file, regions)


def _parse(file: str) -> "Element":
    """The root of an XML file, without the entities that could swell it. Raises InputError."""
    from defusedxml.ElementTree import ParseError, parse

    try:
        with opened(file) as content:
            root: Element | None = parse(content).getroot()
    except (ParseError, ValueError, LookupError) as error:  # a forbidden entity, an odd encoding
        raise InputError(f"{file} is not XML that can be read: {error}") from None
    if root is None:
        raise InputError(f"{file} is empty: expected an <annotation>")
    return root


def _find(file: str, filename: str | None) -> str:
    """The image: beside the XML or where the VOC sets keep it, as the XML names it or, some tools
    leaving the suffix out, as the XML is named.
    """
    folder, own = os.path.split(file)
    stem = os.path.splitext(own)[0]
    names = [stem + suffix for suffix in image_suffixes()]
    if filename:
        names = [filename, *names]
    return first_existing(
        resolve_path(os.path.join(folder, place), name) for name in names for place in _FOLDERS
    )


def _region(thing: "Element") -> Region:
    label = _text(thing, "name")
    extra = {"difficult": 1} if _text(thing, "difficult") == "1" else {}
    return Region(label, partial(_mark, thing, label), extra)


def _mark(thing: "Element", label: str | None) -> MarkSpec:
    box = thing.find("bndbox")
    found = [None if box is None else _number(_text(box, edge)) for edge in _EDGES]
    left, top, right, bottom = numbers(found, f"a bndbox of {', '.join(_EDGES)}")
    if min(left, top) >= 1:
        left, top = left - 1, top - 1
    return box_mark(left, top, right - left, bottom - top, label)


def _text(element: "Element", name: str) -> str | None:
    """What stands in a child; None where that is nothing."""
    return (element.findtext(name) or "").strip() or None


def _number(text: str | None) -> float | str | None:
    """The number; text that is none is refused, and shown, further on."""
    try:
        return float(text or "")
    except ValueError:
        return text
