"""Annotated images, whatever file they come from -> a row for each region, or for each image.

A format's reader gives `Annotations`; the choice of regions, the rows' names and the notes are the
same for all of them, and here.
"""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any, Literal

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import count_noun
from vipllava_cli.sources.rows import BadRow, Row, Source

Per = Literal["region", "image"]

_MOST_LABELS = 10  # in a message


@dataclass(frozen=True)
class Region:
    """A region as its file gives it. `read` makes its mark and raises InputError where the file is
    wrong; of an unknown region not even the label can be told.
    """

    label: str | None
    read: Callable[[], MarkSpec]
    extra: Mapping[str, Any] = field(default_factory=dict)
    is_unknown: bool = False


@dataclass(frozen=True)
class AnnotatedImage:
    """An image and its regions, in the file's order. `id` is its name within the source, `file`
    what says so of it.
    """

    id: str
    image: str
    file: str
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class Annotations:
    """What an annotation file or folder holds. `images` begins anew at each call, so that nothing
    need be kept; `classes` are labels that the source names beforehand, `around` the images that
    lie there, ready to be opened.
    """

    name: str
    kind: str
    images: Callable[[], Iterator[AnnotatedImage | BadRow]]
    classes: tuple[str, ...] = ()
    around: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def unknown_region(error: InputError) -> Region:
    """A region of which not even the label can be told."""

    def fail() -> MarkSpec:
        raise error

    return Region(None, fail, is_unknown=True)


def read_regions(annotations: Annotations, per: Per, labels: Sequence[str]) -> Source:
    """The rows of an annotated source, one "region" or one "image" each; only what has one of the
    labels, in any case of letters, where some are given. An image with a malformed region is a bad
    row, with all its regions: a mark less would shift the others' numbers.

    Raises InputError for a label that the source does not know, and when no row is left.
    """
    choice = _Choice(per, frozenset(label.casefold() for label in labels))
    survey = _survey(annotations, choice)
    known = {label.casefold(): label for label in (*annotations.classes, *survey.labels)}
    for label in labels:
        if label.casefold() not in known:
            raise InputError(_unknown_label(annotations.name, label, list(known.values())))
    if not survey.rows:
        raise InputError(_nothing_left(annotations.name, labels, survey.images))
    rows = (row for image in annotations.images() for row in choice.rows(image))
    notes = (*annotations.notes, *_notes(annotations, survey, choice))
    return Source(rows, annotations.kind, survey.rows, notes)


# --- marks -----------------------------------------------------------------------------------


def numbers(values: Any, expected: str, count: int | None = None) -> list[float]:
    """A list of finite numbers, as many as `count` where it is given. Raises InputError."""
    right = isinstance(values, list | tuple) and all(map(_is_number, values))
    if not right or (count is not None and len(values) != count):
        raise InputError(f"expected {expected}, finite numbers; found {short_repr(values)}")
    return [float(value) for value in values]


def box_mark(
    left: float, top: float, width: float, height: float, label: str | None, units: str = "px"
) -> MarkSpec:
    """A box by its corner and its size. Raises InputError for a size that is not above 0."""
    if not (width > 0 and height > 0):
        raise InputError(f"a box's width and height are above 0, not {width:g} and {height:g}")
    return region_mark("box", [left, top, left + width, top + height], label, units)


def region_mark(shape: str, coords: Any, label: str | None, units: str = "px") -> MarkSpec:
    """A mark of flat coordinates, or of a list of such lists. Raises InputError."""
    return mark_from_json({"shape": shape, "coords": coords, "label": label, "units": units})


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= sys.float_info.max  # NaN compares as false


# --- rows ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Choice:
    """One row per what, of which labels (casefolded; empty for all)."""

    per: Per
    labels: frozenset[str]

    def regions(self, image: AnnotatedImage) -> list[tuple[int, Region]]:
        """The regions that are wanted, with their numbers among all of the image's, from 1."""
        return [
            (number, region)
            for number, region in enumerate(image.regions, 1)
            if not self.labels
            or region.is_unknown
            or (region.label is not None and region.label.casefold() in self.labels)
        ]

    def count(self, image: AnnotatedImage | BadRow) -> int:
        """How many rows `rows` gives."""
        if isinstance(image, BadRow):
            return 1
        regions = self.regions(image)
        return len(regions) if self.per == "region" else int(bool(regions) or not self.labels)

    def rows(self, image: AnnotatedImage | BadRow) -> Iterable[Row | BadRow]:
        if isinstance(image, BadRow):
            return [image]
        regions = self.regions(image)
        if self.per == "region":
            return (_region_row(image, number, region) for number, region in regions)
        return [_image_row(image, regions)] if self.count(image) else []


def _region_row(image: AnnotatedImage, number: int, region: Region) -> Row | BadRow:
    name = f"{image.id}#{number}"
    try:
        mark = region.read()
    except InputError as error:
        return BadRow(name, image.image, _fault(image, number, error))
    return Row(name, image.image, (mark,), extra={"label": region.label, **region.extra})


def _image_row(image: AnnotatedImage, regions: list[tuple[int, Region]]) -> Row | BadRow:
    marks = []
    for number, region in regions:
        try:
            marks.append(region.read())
        except InputError as error:
            return BadRow(image.id, image.image, _fault(image, number, error))
    labels = [region.label for _, region in regions]
    return Row(image.id, image.image, tuple(marks), extra={"labels": labels})


def _fault(image: AnnotatedImage, number: int, error: InputError) -> InputError:
    return InputError(f"{image.file}, region {number} of {image.id}: {error}")


# --- what is there ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Survey:
    """How many rows and images, how many of these without a region, which labels, and which
    images are named.
    """

    rows: int
    images: int
    bare: int
    labels: tuple[str, ...]
    named: frozenset[str]


def _survey(annotations: Annotations, choice: _Choice) -> _Survey:
    rows = images = bare = 0
    labels: dict[str, None] = {}
    named = set()
    for image in annotations.images():
        rows += choice.count(image)
        if isinstance(image, AnnotatedImage):
            images += 1
            bare += not image.regions
            labels.update((region.label, None) for region in image.regions if region.label)
            if annotations.around:
                named.add(image.image)
    return _Survey(rows, images, bare, tuple(labels), frozenset(named))


def _notes(annotations: Annotations, survey: _Survey, choice: _Choice) -> Iterator[str]:
    if survey.bare:
        gives = "a row without marks" if choice.per == "image" and not choice.labels else "no row"
        yield f"images without a region, for each of which there is {gives}: {survey.bare}"
    unnamed = len(set(annotations.around) - survey.named)
    if unnamed:
        yield f"passed over {count_noun(unnamed, 'image')} that no annotation names"


def _unknown_label(name: str, label: str, known: list[str]) -> str:
    nearest = sorted(
        known,
        key=lambda other: SequenceMatcher(None, other.casefold(), label.casefold()).ratio(),
        reverse=True,
    )
    listed = ", ".join(nearest[:_MOST_LABELS]) or "none"
    more = f" and {len(known) - _MOST_LABELS} more" if len(known) > _MOST_LABELS else ""
    return f"no region of {name} is labelled {label!r}; its labels are {listed}{more}"


def _nothing_left(name: str, labels: Sequence[str], images: int) -> str:
    if not images:
        return f"{name} names no image: expected at least one"
    if labels:
        return (
            f"no region of {name} is labelled {' or '.join(map(repr, labels))}: give another label"
        )
    return (
        f"{name} marks no region on its {count_noun(images, 'image')}: --per image asks about"
        " whole images"
    )
