"""Records: the JSON form of a question and its answer, its schema and its stable key.

The README documents the fields. Increase SCHEMA when the meaning of a field changes.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vipllava_cli.errors import InputError, VipllavaError, short_repr

SCHEMA = 1


@dataclass(frozen=True)
class Request:
    """A question about a marked image, with everything that decides its answer.

    `id` names the row for people. `key` is equal for equal image, marks, question, model and
    settings. If the image or a mark is not readable, `key` is empty, and `width` and `height` are
    None. `width` and `height` are pixels of the upright image. `crop` is the part that the model
    sees: left, top, right, bottom in pixels, or None for the whole image. `extra` holds other columns
    of the row. `window` is the range of `--window`, if there is one. `mark_style` is how the question
    refers to the marks, None for the words of drawn ones.
    """

    id: str
    key: str
    image: str
    width: int | None
    height: int | None
    marks: tuple[Mapping[str, Any], ...]
    numbers: bool
    crop: tuple[int, int, int, int] | None
    question: str
    model: str
    revision: str
    template: str
    options: Mapping[str, Any]
    extra: Mapping[str, Any] = field(default_factory=dict)
    window: tuple[float, float] | None = None
    mark_style: str | None = None


@dataclass(frozen=True)
class Failure:
    """The error of a row: the name of its class, and its one-line message."""

    type: str
    message: str


def failure(error: Exception) -> Failure:
    """Convert an exception for a record. Any exception but a VipllavaError is a bug."""
    if isinstance(error, VipllavaError):
        return Failure(type(error).__name__, str(error))
    return Failure("Bug", f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class Record:
    """A question with its answer or its error, and the settings that reproduce the answer.

    `finish_reason` is "stop", "length" or "stopped". `seconds` is the row's share of the time of its
    batch. `choices` is None unless the question had choices. `fields` holds the value of each field,
    and `field_probabilities` the probability of each choice of a field with choices; both are None
    unless the request had fields. `answer_marks` are marks of the upright image that the answer points
    at, in the form of `request.marks`; None if there are none. `note` is for the user, and is no part
    of the JSON.
    """

    request: Request
    answer: str | None = None
    finish_reason: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    dtype: str | None = None
    device: str | None = None
    seconds: float = 0.0
    error: Failure | None = None
    choices: tuple[Mapping[str, Any], ...] | None = None
    fields: Mapping[str, str | int | float | bool | None] | None = None
    field_probabilities: Mapping[str, Mapping[str, float]] | None = None
    answer_marks: tuple[Mapping[str, Any], ...] | None = None
    note: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object, with the version of its schema."""
        request, error = self.request, self.error
        row: dict[str, Any] = {"schema": SCHEMA}
        row |= {each.name: getattr(request, each.name) for each in fields(request)}
        row |= {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        row["marks"] = [dict(mark) for mark in request.marks]
        row["options"], row["extra"] = dict(request.options), dict(request.extra)
        row["answer_marks"] = [dict(mark) for mark in self.answer_marks or ()] or None
        for name in _ONLY_IF_ANY:
            if row[name] is None:
                del row[name]
        del row["note"]
        row["error"] = None if error is None else {"type": error.type, "message": error.message}
        return row

    def to_line(self) -> str:
        """Return one line of JSON. It is ASCII, so that no control character reaches a terminal."""
        return json.dumps(self.to_json())


_ONLY_IF_ANY = ("choices", "fields", "field_probabilities", "answer_marks", "window", "mark_style")

_TEXT = ("text", (str,))
_FLAG = ("true or false", (bool,))
_COUNT = ("a whole number", (int,))
_NUMBER = ("a number", (int, float))
_LIST = ("a list", (list,))
_OBJECT = ("an object", (dict,))

# The JSON type of every field except `schema`: its name in messages, and its Python types.
_FIELD_TYPES: Mapping[str, tuple[str, tuple[type, ...]]] = {
    "id": _TEXT,
    "key": _TEXT,
    "image": _TEXT,
    "width": _COUNT,
    "height": _COUNT,
    "marks": _LIST,
    "numbers": _FLAG,
    "crop": _LIST,
    "question": _TEXT,
    "model": _TEXT,
    "revision": _TEXT,
    "template": _TEXT,
    "options": _OBJECT,
    "extra": _OBJECT,
    "answer": _TEXT,
    "finish_reason": _TEXT,
    "prompt_tokens": _COUNT,
    "answer_tokens": _COUNT,
    "dtype": _TEXT,
    "device": _TEXT,
    "seconds": _NUMBER,
    "error": _OBJECT,
    "fields": _OBJECT,
    "field_probabilities": _OBJECT,
    "window": _LIST,
    "mark_style": _TEXT,
    "answer_marks": _LIST,
}

# In a record with an answer.
_NULLABLE = (
    "width",
    "height",
    "crop",
    "dtype",
    "device",
    "window",
    "mark_style",
    "answer_marks",
)
_OPTIONAL = ("error", "fields", "field_probabilities")
_REQUIRED = tuple(name for name in _FIELD_TYPES if name not in (*_NULLABLE, *_OPTIONAL))


def check_record(
    row: Any, *, required: Iterable[str], optional: Iterable[str] = ()
) -> dict[str, Any]:
    """Check a row of JSON: its schema, and the types of the named fields.

    A `required` field has a value. An `optional` field may be null or missing. Other fields are not
    checked. Raises ValueError.
    """
    if not isinstance(row, dict) or row.get("schema") != SCHEMA or row["schema"] is True:
        raise ValueError(f'a record is an object with "schema": {SCHEMA}, not {short_repr(row)}')
    for name in required:
        _check_type(name, row.get(name), "")
    for name in optional:
        if row.get(name) is not None:
            _check_type(name, row[name], " or null")
    return row


def check_stored(row: Any) -> dict[str, Any]:
    """Check a row of a journal: a record of a batch, or a grade of a judge. Raises ValueError.

    Fields may be missing. Each field that is present has the type of a record. An answer has a key.
    """
    checked = check_record(row, required=("id", "key"))
    if checked.get("error", "") in ("", {}):
        raise ValueError("a row has an error, or null in its place")
    if "score" in checked:  # a grade; its error is text
        _check_grade(checked)
    else:
        check_record(checked, required=(), optional=_FIELD_TYPES)
        if checked["error"] is None:
            _check_type("answer", checked.get("answer"), "")
        _check_items(checked)
    if checked["error"] is None and not checked["key"]:
        raise ValueError("an answer has a key")
    return checked


def _check_grade(row: Mapping[str, Any]) -> None:
    score, error = row["score"], row["error"]
    is_score = isinstance(score, int | float) and not isinstance(score, bool)
    if not (isinstance(error, str) or (error is None and is_score and 0 <= score <= 1)):
        raise ValueError("a grade is a number from 0 to 1, or has an error")


def _check_items(row: Mapping[str, Any]) -> None:
    """Check the lists of a record, as far as they are there. Raises ValueError."""
    for name in ("marks", "answer_marks", "choices"):
        items = row.get(name) or []
        if not (isinstance(items, list) and all(isinstance(item, dict) for item in items)):
            raise ValueError(f"a record's {name} are objects")
    crop, window = row.get("crop"), row.get("window")
    if crop is not None and (len(crop) != 4 or not all(type(edge) is int for edge in crop)):
        raise ValueError(f"a record's crop is four whole numbers, not {short_repr(crop)}")
    if window is not None and (len(window) != 2 or not {*map(type, window)} <= {int, float}):
        raise ValueError(f"a record's window is two numbers, not {short_repr(window)}")


def _check_type(name: str, value: Any, or_null: str) -> None:
    expected, types = _FIELD_TYPES[name]
    is_misplaced_bool = isinstance(value, bool) and bool not in types  # bool is a subclass of int
    if not isinstance(value, types) or is_misplaced_bool:
        raise ValueError(f"a record's {name} is {expected}{or_null}, not {short_repr(value)}")


def record_from_json(row: Any) -> Record:
    """Read a record with an answer from the object that `to_json` returns. Raises InputError."""
    try:
        row = check_record(row, required=_REQUIRED, optional=_NULLABLE)
        _check_items(row)
    except ValueError as error:
        raise InputError(str(error)) from None
    values = {name: row.get(name) for name in (*_REQUIRED, *_NULLABLE)}
    values["marks"] = tuple(row["marks"])
    lists = ("crop", "window", "answer_marks")
    values |= {name: row.get(name) and tuple(row[name]) for name in lists}
    request = {each.name: values.pop(each.name) for each in fields(Request)}
    return Record(Request(**request), **values)


def field_text(value: str | int | float | bool | None) -> str:
    """Format the value of a field: text as it is, numbers and booleans as JSON, none as empty text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


_SORTED = json.JSONEncoder(sort_keys=True)  # `json.dumps` would make one for each call


def sorted_json(value: Any) -> str:
    """Return a value as JSON with sorted names."""
    return _SORTED.encode(value)


def stable_key(**parts: Any) -> str:
    """Hash everything that decides an answer to 16 hexadecimal digits.

    The names and values of `parts` are part of the file format: equal parts have equal keys in every
    version.
    """
    return hashlib.sha256(sorted_json(parts).encode()).hexdigest()[:16]
