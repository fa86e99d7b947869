"""The fields of a manifest row -> a row."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from vipllava_cli.engine.prompts.choices import check_choices, parse_choices
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.source import record_name
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.parse import check_mark_count
from vipllava_cli.marks.shape_table import Units
from vipllava_cli.marks.types import DeclaredSize, MarkSpec
from vipllava_cli.sources.conversations import with_questions
from vipllava_cli.sources.files import resolve_path, source_name
from vipllava_cli.sources.image_finder import FoundImage, ImageFinder
from vipllava_cli.sources.manifest_columns import (
    FIELDS,
    canonical_names,
    image_size,
    is_row_column,
    region_marks,
)
from vipllava_cli.sources.rows import BadRow, Row
from vipllava_cli.storage.regular_files import is_stream
from vipllava_cli.storage.zip_archive import is_member

ROW_EXAMPLE = '{"image": "a.jpg", "question": "…", "marks": […]}'


@dataclass(frozen=True)
class RowLocation:
    """The location of a row: its manifest, and `line 12` or `row 3` in it.

    Paths in the row are relative to `folder`. It is empty for the working directory. `units` is that of
    numbers without one. `finder` finds images by names of other machines.
    """

    manifest: str
    position: str
    folder: str
    units: str = Units.px
    finder: ImageFinder = field(default_factory=ImageFinder)

    def error(self, reason: object) -> InputError:
        return InputError(f"{source_name(self.manifest)}, {self.position}: {reason}")

    def bad_row(self, reason: object) -> BadRow:
        """Make a bad row without a known id or image."""
        return BadRow(self.position, "", self.error(reason))


def manifest_folder(name: str) -> str:
    """Return the folder that paths in a manifest are relative to."""
    return "" if is_stream(name) else os.path.dirname(name)


def row_from_json(value: Any, location: RowLocation) -> Row | BadRow:
    """Make a row from a JSON object."""
    if not isinstance(value, Mapping):
        return location.bad_row(f"expected an object like {ROW_EXAMPLE}, found {short_repr(value)}")
    try:
        given = with_questions(value)
    except InputError as error:
        return location.bad_row(error)
    names = canonical_names(given)
    fields = {names[name]: field for name, field in given.items()}
    return row_from_fields(
        fields, lambda: marks_from_json(fields.get("marks"), location.units), location
    )


def row_from_fields(
    fields: Mapping[str, Any], read_marks: Callable[[], Sequence[MarkSpec]], location: RowLocation
) -> Row | BadRow:
    """Make a row from its fields, which have canonical names. Other fields go to `extra`.

    Without marks of `read_marks`, the row has those of the columns for regions.
    """
    try:
        image = _image(fields)
        found = _find_image(image, location)
        marks = read_marks()
        is_used = is_row_column if not marks else FIELDS.__contains__
        marks = marks or region_marks(fields, location.units)
        size = image_size(fields, marks)
        return Row(
            _id(fields) or (location.position if is_data_address(image) else record_name(image)),
            found.path,
            tuple(_with_size(_resolve_mask_path(location.folder, mark), size) for mark in marks),
            _questions(fields),
            {name: value for name, value in fields.items() if not is_used(name)},
            _choices(fields),
            found.error,
        )
    except InputError as error:
        image = _read_or_none(_image, fields) or ""
        return BadRow(
            _read_or_none(_id, fields) or location.position,
            _find_image(image, location).path if image else resolve_path(location.folder, ""),
            location.error(error),
        )


def _with_size(mark: MarkSpec, size: DeclaredSize | None) -> MarkSpec:
    return mark if mark.declared == size else replace(mark, declared=size)


def _find_image(image: str, location: RowLocation) -> FoundImage:
    """Find an image as written, else by the names that other machines give it.

    An image that is not found at all is an error when it is opened.
    """
    if is_data_address(image):
        return FoundImage(image)
    path = resolve_path(location.folder, image)
    is_file = os.path.isfile(path) or is_member(path)
    if "://" in path or (is_file and not location.finder.folders):
        return FoundImage(path)
    found = location.finder.find([image], [location.folder or os.curdir])
    return FoundImage(path) if found.is_missing and not location.finder.folders else found


def marks_from_json(values: Any, units: str = Units.px) -> list[MarkSpec]:
    """Read a list of marks, or null for no marks. Raises InputError."""
    if values is None:
        return []
    if not isinstance(values, list):
        raise InputError(
            f'expected a list of marks like [{{"shape": "box", …}}], found {short_repr(values)}'
        )
    check_mark_count(len(values))
    marks = []
    for number, value in enumerate(values, 1):
        try:
            marks.append(mark_from_json(value, units))
        except InputError as error:
            raise InputError(f"mark {number}: {error}") from None
    return marks


# --- the fields ------------------------------------------------------------------------------


def _image(fields: Mapping[str, Any]) -> str:
    image = fields.get("image")
    if not isinstance(image, str) or not image:
        found = short_repr(image) if "image" in fields else "none"
        raise InputError(f'expected an "image", the path or URL of an image; found {found}')
    return image


def _id(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("id")
    if value is None:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise InputError(f"expected text or a whole number as id, found {short_repr(value)}")
    return str(value)


def _questions(fields: Mapping[str, Any]) -> tuple[str, ...]:
    question, several = fields.get("question"), fields.get("questions")
    if question is not None and several is not None:
        raise InputError('expected "question" or "questions", found both: keep one')
    if several is not None and not isinstance(several, list):
        raise InputError(f'expected a list of texts as "questions", found {short_repr(several)}')
    questions = several if several is not None else [] if question is None else [question]
    for text in questions:
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"expected text with words as question, found {short_repr(text)}")
    return tuple(questions)


def _choices(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Read a list of choices, or text as `--choices` accepts it."""
    value = fields.get("choices")
    if value is None:
        return ()
    return parse_choices(value) if isinstance(value, str) else check_choices(value)


def _resolve_mask_path(folder: str, mark: MarkSpec) -> MarkSpec:
    return mark if mark.file is None else replace(mark, file=resolve_path(folder, mark.file))


def _read_or_none(
    read: Callable[[Mapping[str, Any]], str | None], fields: Mapping[str, Any]
) -> str | None:
    """Read a field of a bad row, or return None if that field is bad too."""
    try:
        return read(fields)
    except InputError:
        return None
