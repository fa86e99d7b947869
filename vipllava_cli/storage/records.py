"""The result of one question as a row of JSON: its schema, and its stable key.

The fields are described in the README; a change of their meaning raises SCHEMA.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from vipllava_cli.errors import InputError, VipllavaError, short_repr

SCHEMA = 1


@dataclass(frozen=True)
class Request:
    """A question about a marked image and all that decides its answer.

    `id` names the row for people. `key` is the same for the same image, marks, question, model and
    settings, and empty where the image or a mark could not be read; then sizes are None.
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


@dataclass(frozen=True)
class Failure:
    """What went wrong with a row: the kind of error, and its one line."""

    type: str
    message: str


def failure(error: Exception) -> Failure:
    """The error as a record keeps it; what is not of our family is a bug, and says so."""
    if isinstance(error, VipllavaError):
        return Failure(type(error).__name__, str(error))
    return Failure("Bug", f"{type(error).__name__}: {error}")


@dataclass(frozen=True)
class Record:
    """One question and its answer, with what a person needs to repeat it; or why there is none."""

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

    def to_json(self) -> dict[str, Any]:
        """The row with its schema version, ready for `json.dumps`."""
        request, error = self.request, self.error
        row: dict[str, Any] = {"schema": SCHEMA}
        row |= {each.name: getattr(request, each.name) for each in fields(request)}
        row |= {each.name: getattr(self, each.name) for each in fields(self)[1:]}
        row["marks"] = [dict(mark) for mark in request.marks]
        row["options"], row["extra"] = dict(request.options), dict(request.extra)
        if self.choices is None:
            del row["choices"]  # only where some were weighed
        row["error"] = None if error is None else {"type": error.type, "message": error.message}
        return row

    def to_line(self) -> str:
        """The row as one line of JSON, in ASCII: no character of it acts on a terminal."""
        return json.dumps(self.to_json())


_TEXT, _NUMBER = (str,), (int, float)
_OPTIONAL_TEXT, _OPTIONAL_SIZE = (str, type(None)), (int, type(None))

# What each field of a row is; `schema` has been looked at before, `error` is for rows without answers.
_FIELDS: Mapping[str, tuple[type, ...]] = {
    "id": _TEXT,
    "key": _TEXT,
    "image": _TEXT,
    "width": _OPTIONAL_SIZE,
    "height": _OPTIONAL_SIZE,
    "marks": (list,),
    "numbers": (bool,),
    "crop": (list, type(None)),
    "question": _TEXT,
    "model": _TEXT,
    "revision": _TEXT,
    "template": _TEXT,
    "options": (dict,),
    "extra": (dict,),
    "answer": _TEXT,
    "finish_reason": _TEXT,
    "prompt_tokens": (int,),
    "answer_tokens": (int,),
    "dtype": _OPTIONAL_TEXT,
    "device": _OPTIONAL_TEXT,
    "seconds": _NUMBER,
}


def record_from_json(row: Any) -> Record:
    """The record of a row with an answer, as `to_json` gives it. Raises InputError."""
    if not isinstance(row, Mapping) or row.get("schema") != SCHEMA:
        raise InputError(f'a record is an object with "schema": {SCHEMA}, not {short_repr(row)}')
    values: dict[str, Any] = {}
    for name, kinds in _FIELDS.items():
        value = row.get(name)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            wanted = " or ".join("null" if k is type(None) else k.__name__ for k in kinds)
            raise InputError(f"a record's {name} is {wanted}, not {short_repr(value)}")
        values[name] = value
    if not all(isinstance(mark, dict) for mark in values["marks"]):
        raise InputError("a record's marks are objects")
    values["marks"] = tuple(values["marks"])
    crop = values["crop"]
    if crop is not None and (len(crop) != 4 or not all(type(side) is int for side in crop)):
        raise InputError(f"a record's crop is four whole numbers, not {short_repr(crop)}")
    values["crop"] = crop and tuple(crop)
    own = {each.name: values.pop(each.name) for each in fields(Request)}
    return Record(Request(**own), **values)


def stable_key(**parts: Any) -> str:
    """The same 16 hexadecimal digits for the same image, marks, question, model and settings."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
