"""The fields of a manifest's row -> the row."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vipllava_cli.engine.prompts.choices import check_choices, parse_choices
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import resolve_path, source_name
from vipllava_cli.sources.rows import BadRow, Row

FORM = '{"image": "a.jpg", "question": "…", "marks": […]}'

_FIELDS = ("id", "image", "question", "questions", "choices", "marks")


@dataclass(frozen=True)
class RowLocation:
    """Where a row stands: the manifest's name, "line 12" or "row 3", and the folder that the
    paths in it start from.
    """

    name: str
    at: str
    folder: str

    def fault(self, why: object) -> InputError:
        return InputError(f"{source_name(self.name)}, {self.at}: {why}")

    def bad(self, why: object) -> BadRow:
        """A row of which nothing is known."""
        return BadRow(self.at, "", self.fault(why))


def folder_of(name: str) -> str:
    """The folder that the paths in a manifest start from; empty for the working folder."""
    return os.path.dirname(name)


def row_from_json(value: Any, place: RowLocation) -> Row | BadRow:
    """A row as JSON holds it."""
    if not isinstance(value, Mapping):
        return place.bad(f"expected an object like {FORM}, found {short_repr(value)}")
    return row_from_fields(value, lambda: marks_from_json(value.get("marks")), place)


def row_from_fields(
    fields: Mapping[str, Any], read_marks: Callable[[], Sequence[MarkSpec]], place: RowLocation
) -> Row | BadRow:
    """A row of these fields and marks; the fields that mean nothing here become its `extra`."""
    try:
        image = _image(fields)
        return Row(
            _id(fields) or image,
            resolve_path(place.folder, image),
            tuple(_mask_beside(place.folder, mark) for mark in read_marks()),
            _questions(fields),
            {field: value for field, value in fields.items() if field not in _FIELDS},
            _choices(fields),
        )
    except InputError as error:
        return BadRow(
            _known(_id, fields) or place.at,
            resolve_path(place.folder, _known(_image, fields) or ""),
            place.fault(error),
        )


def marks_from_json(values: Any) -> list[MarkSpec]:
    """A list of marks in this project's form, or null. Raises InputError."""
    if values is None:
        return []
    if not isinstance(values, list):
        raise InputError(f'marks are a list like [{{"shape": "box", …}}], not {short_repr(values)}')
    marks = []
    for number, value in enumerate(values, 1):
        try:
            marks.append(mark_from_json(value))
        except InputError as error:
            raise InputError(f"mark {number}: {error}") from None
    return marks


# --- the fields ------------------------------------------------------------------------------


def _image(fields: Mapping[str, Any]) -> str:
    image = fields.get("image")
    if not isinstance(image, str) or not image:
        found = short_repr(image) if "image" in fields else "none"
        raise InputError(f'expected an "image", the path or address of an image; found {found}')
    return image


def _id(fields: Mapping[str, Any]) -> str | None:
    value = fields.get("id")
    if value is None:
        return None
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise InputError(f"an id is text or a whole number, not {short_repr(value)}")
    return str(value)


def _questions(fields: Mapping[str, Any]) -> tuple[str, ...]:
    one, several = fields.get("question"), fields.get("questions")
    if one is not None and several is not None:
        raise InputError('expected "question" or "questions", found both: keep one')
    if several is not None and not isinstance(several, list):
        raise InputError(f"questions are a list of texts, not {short_repr(several)}")
    questions = several if several is not None else [] if one is None else [one]
    for question in questions:
        if not isinstance(question, str) or not question.strip():
            raise InputError(f"a question is text with words in it, not {short_repr(question)}")
    return tuple(questions)


def _choices(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """A list, or a text as `--choices` takes it."""
    value = fields.get("choices")
    if value is None:
        return ()
    return parse_choices(value) if isinstance(value, str) else check_choices(value)


def _mask_beside(folder: str, mark: MarkSpec) -> MarkSpec:
    return mark if mark.file is None else replace(mark, file=resolve_path(folder, mark.file))


def _known(
    read: Callable[[Mapping[str, Any]], str | None], fields: Mapping[str, Any]
) -> str | None:
    """What can be read of a bad row."""
    try:
        return read(fields)
    except InputError:
        return None
