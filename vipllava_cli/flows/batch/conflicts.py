"""Where a run would replace answers to another request: what differs, in one line."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.images.source import display_name, is_address
from vipllava_cli.images.window import format_window
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.sources.files import relative_path
from vipllava_cli.storage.journal import Journal

MAX_VALUE = 60  # characters of a question or of marks in the message


@dataclass(frozen=True)
class Conflict:
    """The answer under a row's id is to another request. Both are fields of a record, as in JSON."""

    id: str
    recorded: Mapping[str, Any]
    requested: Mapping[str, Any]


class ConflictError(InputError):
    """A run would replace answers to other requests. `difference` is the message without advice."""

    def __init__(self, difference: str) -> None:
        super().__init__(
            f"{difference}: give another --out, add --append to keep both answers, or add --force to"
            " replace the earlier ones"
        )
        self.difference = difference


def conflict_error(path: Path, conflict: Conflict, count: int = 1) -> ConflictError:
    """Return the error for a run that would replace `count` answers in `path`."""
    recorded, requested = _difference(conflict)
    others = f" ({count} rows differ)" if count > 1 else ""
    return ConflictError(
        f"{path} already answers {_excerpt(conflict.id)} with {recorded}, but this run has"
        f" {requested}{others}"
    )


# Fields that the content of an image does not change. `marks` may be percentages of its size.
_WITHOUT_IMAGE = (
    "mark_style",
    "question",
    "numbers",
    "window",
    "model",
    "revision",
    "template",
    "options",
)


def check_repeated_ids(journal: Journal) -> None:
    """Check that no answer of the file has the id of a later one to another request.

    A run keeps only the last answer with an id, and only `--force` replaces an answer to another
    request. So such a file was joined or edited by hand. Raises InputError.
    """
    for earlier, later in journal.iter_repeated():
        if any(earlier.get(name) != later.get(name) for name in _WITHOUT_IMAGE):
            conflict = Conflict(str(later["id"]), earlier, later)
            first, second = _difference(conflict)
            raise InputError(
                f"{journal.path} has two answers with the id {_excerpt(conflict.id)}, with {first} and"
                f" with {second}, and a run keeps one for each id: give another --out, or add --force"
                " to keep the later ones"
            )


def _difference(conflict: Conflict) -> tuple[str, str]:
    """Describe the first field that differs: its value in the record, and in this run."""
    for name, describe in FIELDS.items():
        recorded, requested = conflict.recorded.get(name), conflict.requested.get(name)
        if recorded != requested:
            return describe(recorded, requested), describe(requested, recorded)
    return "other settings", "new ones"


# --- values ----------------------------------------------------------------------------------


def _question(value: Any, other: Any) -> str:
    return f'the question "{_excerpt(str(value), str(other))}"'


def _marks(value: Any, other: Any) -> str:
    """Name the marks, or the part of a mark that differs if they have equal shapes and places."""
    marks, others = (each if isinstance(each, list) else [] for each in (value, other))
    text, other_text = (", ".join(map(_mark, each)) for each in (marks, others))
    if text != other_text:
        return _excerpt(text, other_text) or "no marks"
    pairs = ((one, two) for one, two in zip(marks, others, strict=True) if one != two)
    # A StopIteration here would end the rows of the run. A record edited by hand may have no marks.
    mark, other_mark = next(pairs, ({}, {}))
    if mark == other_mark:
        return "no list of marks" if value is None else "no marks"
    name, found = _first_difference(mark, other_mark)
    return f"a mark without {name}" if found is None else f"a mark of {name} {found}"


def _mark(mark: Mapping[str, Any]) -> str:
    coords = json.dumps(mark.get("coords"), separators=(",", ":")).strip("[]")
    return f"a {mark.get('color')} {mark.get('shape')} {coords}"


def _flag(name: str) -> Callable[[Any, Any], str]:
    return lambda value, _other: name if value else f"no {name}"


def _named(name: str) -> Callable[[Any, Any], str]:
    return lambda value, _other: f"the {name} {_excerpt(str(value), '')}"


def _crop(value: Any, other: Any) -> str:
    if not (value and other):
        return "--zoom" if value else "no --zoom"
    return f"--zoom to {_join(value)}"


def _window(value: Any, other: Any) -> str:
    return f"--window {format_window(value)}" if value else "no --window"


def _mark_style(value: Any, other: Any) -> str:
    return f"--mark-style {_excerpt(str(value)) if value else ReferenceStyle.drawn.value}"


def _options(value: Any, other: Any) -> str:
    name, found = _first_difference(value, other)
    option = f"--{name.replace('_', '-')}"
    return f"no {option}" if found is None else f"{option} {found}"


def _first_difference(
    value: Mapping[str, Any] | None, other: Mapping[str, Any] | None
) -> tuple[str, str | None]:
    """Return the name of the first entry that differs, and its value as text."""
    value, other = value or {}, other or {}  # a record edited by hand may have none
    names = dict.fromkeys((*value, *other))
    differing = (name for name in names if value.get(name) != other.get(name))
    name = next(differing, "settings")
    found = value.get(name)
    return name, None if found is None else _excerpt(_join(found))


def _join(value: Any) -> str:
    if not isinstance(value, list):
        return str(value)
    if value and all(isinstance(item, Mapping) for item in value):
        return "; ".join(map(_field, value))
    return ",".join(map(str, value))


def _field(field: Mapping[str, Any]) -> str:
    """Return a field of an answer as `material: metal|wood`."""
    choices = field.get("choices")
    values = (
        map(str, choices) if choices and isinstance(choices, list) else [str(field.get("type"))]
    )
    return f"{field.get('name')}: {'|'.join(values)}"


def _image(value: Any, other: Any) -> str:
    """Name an image by its path from here, cut at its start: folders may hold equal file names."""
    names = [display_name(str(each)) for each in (value, other)]
    if not any(map(is_address, names)):
        names = [relative_path(name, "") for name in names]
    return f"the image {_excerpt(*names)}"


# The fields that decide an answer -> a description of the value, given the other one. The message
# names the first field that differs.
FIELDS: Mapping[str, Callable[[Any, Any], str]] = {
    "mark_style": _mark_style,  # before the question, whose words it decides
    "question": _question,
    "marks": _marks,
    "numbers": _flag("--numbers"),
    "crop": _crop,
    "frame": _named("frame"),
    "window": _window,
    "model": _named("model"),
    "revision": _named("revision"),
    "template": _named("template"),
    "options": _options,
    "image": _image,
}


def _excerpt(text: str, other: str = "") -> str:
    """Cut a text to `MAX_VALUE` characters, among them the first that differs from another text."""
    if len(text) <= MAX_VALUE:
        return text
    pairs = enumerate(zip(text, other, strict=False))
    common = next(
        (place for place, (one, two) in pairs if one != two), min(map(len, (text, other)))
    )
    start = max(0, common - MAX_VALUE // 2)
    part = text[start : start + MAX_VALUE]
    return f"{'…' if start else ''}{part}{'…' if start + MAX_VALUE < len(text) else ''}"
