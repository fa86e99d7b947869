"""Annotated images of any format -> one row per region, or one row per image.

The reader of a format returns `Annotations`. This module selects regions by label, and makes the row
ids and the notes of all formats.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Any

from vipllava_cli.errors import InputError, short_name, short_repr
from vipllava_cli.images.data_address import shorten_data_address
from vipllava_cli.marks.json_marks import is_finite_number, mark_from_json
from vipllava_cli.marks.parse import check_mark_count
from vipllava_cli.marks.types import XY, DeclaredSize, MarkSpec
from vipllava_cli.sources.formats import RowUnit, SourceFormat
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun

_MAX_LISTED_LABELS = 10  # in a message
_ROW_COLUMNS = ("id", "image", "label")  # an attribute of this name would hide the row's value


@dataclass(frozen=True)
class Region:
    """One region of an annotation file.

    `make_mark` raises InputError if the region has no valid mark. The label of an unreadable region is
    unknown, so every selection by label includes it and reports its error.
    """

    label: str | None
    make_mark: Callable[[], MarkSpec]
    extra: Mapping[str, Any] = field(default_factory=dict)
    is_unreadable: bool = False


@dataclass(frozen=True)
class AnnotatedImage:
    """An image and its regions, in the order of the file.

    `id` names the image within the source. `image` is its path or URL. `file` is the annotation file.
    `declared` is the size that the file declares for the image. `image_error` says why the image was
    not found.
    """

    id: str
    image: str
    file: str
    regions: tuple[Region, ...]
    declared: DeclaredSize | None = None
    image_error: InputError | None = None


@dataclass(frozen=True)
class Annotations:
    """The content of an annotation file or folder.

    Each call of `iter_images` starts over, so that the images need not stay in memory. `classes` are
    the labels that the source declares. `folder_images` are the paths of all images in the folder,
    annotated or not.
    """

    name: str
    format: SourceFormat
    iter_images: Callable[[], Iterator[AnnotatedImage | BadRow]]
    classes: tuple[str, ...] = ()
    folder_images: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def unreadable_region(error: InputError) -> Region:
    """Make a region without a known label, which raises the error."""

    def fail() -> MarkSpec:
        raise error

    return Region(None, fail, is_unreadable=True)


def read_regions(annotations: Annotations, per: RowUnit, labels: Sequence[str]) -> Source:
    """Make the rows of an annotated source.

    `labels` select regions, in any letter case. With one row per image, a
    malformed region makes the whole row bad: without its mark, the other marks would be renumbered.

    Raises InputError for a label that the source does not have, and if no row remains.
    """
    selection = _Selection(per, frozenset(label.casefold() for label in labels))
    summary = _summarize(annotations, selection)
    known = {label.casefold(): label for label in (*annotations.classes, *summary.labels)}
    for label in labels:
        if label.casefold() not in known:
            raise InputError(_unknown_label(annotations.name, label, list(known.values())))
    if not summary.rows:
        raise InputError(_no_rows(annotations.name, labels, summary.images))
    notes = (*annotations.notes, *_notes(annotations, summary, selection))
    rows = StoredRows(
        lambda: (row for image in annotations.iter_images() for row in selection.rows(image))
    )
    return Source(rows, annotations.format, summary.rows, notes)


# --- marks -----------------------------------------------------------------------------------


def check_numbers(values: Any, expected: str, count: int | None = None) -> list[float]:
    """Check a list of finite numbers, `count` of them if given. A number may be text.

    Raises InputError.
    """
    numbers = list(map(to_number, values)) if isinstance(values, list | tuple) else None
    is_valid = numbers is not None and all(map(is_finite_number, numbers))
    if numbers is None or not is_valid or (count is not None and len(numbers) != count):
        raise InputError(f"expected {expected}, finite numbers; found {short_repr(values)}")
    return [float(number) for number in numbers]


def to_number(value: Any) -> Any:
    """Convert text to a number. Other values, and other text, stay as they are."""
    if not isinstance(value, str) or "_" in value:  # Python's `float` accepts 1_000
        return value
    try:
        return float(value)
    except ValueError:
        return value


def scalar_fields(attributes: Any) -> dict[str, Any]:
    """Return the attributes of a region that a question can name: text, numbers, true and false."""
    if not isinstance(attributes, Mapping):
        return {}
    return {
        name: value
        for name, value in attributes.items()
        if isinstance(name, str)
        and name not in _ROW_COLUMNS
        and (isinstance(value, str | bool) or is_finite_number(value))
    }


def declared_size(width: Any, height: Any) -> DeclaredSize | None:
    """Return the size that a file declares, or None without two numbers above 0.

    Many tools write 0 for an unknown size.
    """
    sides = to_number(width), to_number(height)
    if not all(is_finite_number(side) and side > 0 for side in sides):
        return None
    return DeclaredSize(float(sides[0]), float(sides[1]))


def box_mark(
    left: float, top: float, width: float, height: float, label: str | None, units: str = "px"
) -> MarkSpec:
    """Make a box from its corner and size. Raises InputError if width or height is not positive."""
    check_sides(width, height)
    return region_mark("box", [left, top, left + width, top + height], label, units)


def rotated_box_mark(
    centre: XY, size: XY, degrees: float, label: str | None, units: str = "px"
) -> MarkSpec:
    """Make the contour of a box that is rotated clockwise about its centre. Raises InputError."""
    check_sides(*size)
    angle = math.radians(degrees)
    across = math.cos(angle) * size[0] / 2, math.sin(angle) * size[0] / 2
    down = -math.sin(angle) * size[1] / 2, math.cos(angle) * size[1] / 2
    corners = (
        (centre[0] + x * across[0] + y * down[0], centre[1] + x * across[1] + y * down[1])
        for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))
    )
    return region_mark("contour", [value for corner in corners for value in corner], label, units)


def check_sides(width: float, height: float) -> None:
    """Raise InputError if a width or a height is not positive."""
    if not (width > 0 and height > 0):
        raise InputError(
            f"expected a box with width and height above 0, found {width:g}x{height:g}"
        )


def region_mark(shape: str, coords: Any, label: str | None, units: str = "px") -> MarkSpec:
    """Make a mark from flat coordinates, or from one such list per part. Raises InputError."""
    return mark_from_json({"shape": shape, "coords": coords, "label": label, "units": units})


# --- rows ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Selection:
    """What a row covers, and the casefolded labels to select. No labels select all regions."""

    per: RowUnit
    labels: frozenset[str]

    def regions(self, image: AnnotatedImage) -> list[tuple[int, Region]]:
        """Select regions, each with its number among all regions of the image, from 1."""
        return [
            (number, region)
            for number, region in enumerate(image.regions, 1)
            if not self.labels
            or region.is_unreadable
            or (region.label is not None and region.label.casefold() in self.labels)
        ]

    def count(self, image: AnnotatedImage | BadRow) -> int:
        """Count the rows that `rows` returns."""
        if isinstance(image, BadRow):
            return 1
        regions = self.regions(image)
        if self.per == RowUnit.region:
            return len(regions)
        return int(bool(regions) or not self.labels)

    def rows(self, image: AnnotatedImage | BadRow) -> Iterable[Row | BadRow]:
        if isinstance(image, BadRow):
            return [image]
        regions = self.regions(image)
        if self.per == RowUnit.region:
            return (_region_row(image, number, region) for number, region in regions)
        return [_image_row(image, regions)] if self.count(image) else []


def _region_row(image: AnnotatedImage, number: int, region: Region) -> Row | BadRow:
    id = f"{shorten_data_address(image.id)}#{number}"
    try:
        mark = _make_mark(image, region)
    except InputError as error:
        return BadRow(id, image.image, _region_error(image, number, error))
    extra = {"label": region.label, **region.extra}
    return Row(id, image.image, (mark,), extra=extra, image_error=image.image_error)


def _image_row(image: AnnotatedImage, regions: list[tuple[int, Region]]) -> Row | BadRow:
    marks = []
    id = shorten_data_address(image.id)
    try:
        check_mark_count(len(regions))
    except InputError as error:
        return BadRow(id, image.image, error)
    for number, region in regions:
        try:
            marks.append(_make_mark(image, region))
        except InputError as error:
            return BadRow(id, image.image, _region_error(image, number, error))
    extra = {"labels": [region.label for _, region in regions]}
    return Row(id, image.image, tuple(marks), extra=extra, image_error=image.image_error)


def _make_mark(image: AnnotatedImage, region: Region) -> MarkSpec:
    """Make the mark of a region, with the size that it was made for. Raises InputError."""
    mark = region.make_mark()
    return replace(mark, declared=image.declared) if mark.declared is None else mark


def _region_error(image: AnnotatedImage, number: int, error: InputError) -> InputError:
    name = short_name(shorten_data_address(image.id))
    return InputError(f"{image.file}, region {number} of {name}: {error}")


# --- summary ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Summary:
    """Counts over a source: rows, images, and images without a region; the labels and image paths.

    `repeated` are pairs of annotation files that name one image.
    """

    rows: int
    images: int
    unmarked_images: int
    labels: tuple[str, ...]
    annotated_paths: frozenset[str]
    repeated: tuple[tuple[str, str], ...] = ()


def _summarize(annotations: Annotations, selection: _Selection) -> _Summary:
    rows = images = unmarked_images = 0
    labels: dict[str, None] = {}
    paths = set()
    files: dict[str, str] = {}
    repeated: dict[tuple[str, str], None] = {}
    for image in annotations.iter_images():
        rows += selection.count(image)
        if isinstance(image, AnnotatedImage):
            images += 1
            unmarked_images += not image.regions
            labels.update((region.label, None) for region in image.regions if region.label)
            if annotations.folder_images:
                paths.add(image.image)
                first = files.setdefault(image.image, image.file)
                if first != image.file and not image.image_error:
                    repeated[first, image.file] = None
    found = tuple(labels), frozenset(paths), tuple(repeated)
    return _Summary(rows, images, unmarked_images, *found)


def _notes(annotations: Annotations, summary: _Summary, selection: _Selection) -> Iterator[str]:
    if summary.unmarked_images:
        keeps_row = selection.per == RowUnit.image and not selection.labels
        result = "each gives a row without marks" if keeps_row else "skipped"
        yield f"images without a region ({result}): {summary.unmarked_images}"
    if summary.repeated:
        first, second = map(short_name, summary.repeated[0])
        more = len(summary.repeated) - 1
        others = f", and so do {count_noun(more, 'more pair')} of files" if more else ""
        yield (
            f"{first} and {second} name the same image{others}: if one of them is about another image,"
            " correct the name in it"
        )
    unannotated = len(set(annotations.folder_images) - summary.annotated_paths)
    if unannotated:
        yield f"skipped {count_noun(unannotated, 'image')} without an annotation"


def _unknown_label(name: str, label: str, known: list[str]) -> str:
    most_similar = sorted(
        known,
        key=lambda other: SequenceMatcher(None, other.casefold(), label.casefold()).ratio(),
        reverse=True,
    )
    listed = ", ".join(map(short_name, most_similar[:_MAX_LISTED_LABELS])) or "none"
    rest = len(known) - _MAX_LISTED_LABELS
    more = f" and {rest} more" if rest > 0 else ""
    return f"{name} has no region with the label {label!r}: its labels are {listed}{more}"


def _no_rows(name: str, labels: Sequence[str], images: int) -> str:
    if not images:
        return f"{name} contains no image: expected at least one"
    if labels:
        selected = " or ".join(map(repr, labels))
        return f"{name} has no region with the label {selected}: give another label"
    return (
        f"{name} has no region on its {count_noun(images, 'image')}: --per image asks about whole"
        " images"
    )
