"""Write and read a session file: a conversation as JSON that a person can read.

Each turn is a record. Its `extra` holds the fingerprint of the image that the model saw ("picture")
and the token ids of the answer ("tokens"). Reading checks every field and neutralizes control words,
so that the text of a file cannot act on the model or the terminal.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vipllava_cli.engine.prompts.control_words import neutralize
from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.chat.state import ChatState, RecordedTurn, json_text
from vipllava_cli.images.source import absolute_name
from vipllava_cli.images.window import Window, check_window
from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json
from vipllava_cli.marks.marked_image import MarkedImage, check_kept, open_image
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.json_files import read_json
from vipllava_cli.storage.records import SCHEMA, record_from_json
from vipllava_cli.storage.similar_names import advise_on_name

KIND = "conversation"
MAX_SESSION_BYTES = 64 << 20  # a long conversation has 1 MB

# The type of each field, and its description in error messages.
_FIELDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "image": ((str, type(None)), "a path or null"),
    "picture": ((str, type(None)), "a fingerprint or null"),
    "marks": ((list,), "a list"),
    "numbers": ((bool,), "true or false"),
    "zoom": ((bool,), "true or false"),
    "left_out": ((int,), "a number"),
    "turns": ((list,), "a list"),
}


def write_session(state: ChatState, name: str, *, private: bool = False) -> None:
    """Write a conversation atomically. A `private` file is readable by its owner only.

    Raises InputError if the file cannot be written.
    """
    marked = state.marked
    value = {
        "schema": SCHEMA,
        "kind": KIND,
        "image": absolute_name(marked.file.source) if marked else None,
        "picture": marked.file.fingerprint if marked else None,
        "marks": [mark_to_json(mark) for mark in marked.marks] if marked else [],
        "numbers": bool(marked and marked.numbers),
        **({"window": marked.file.window} if marked and marked.file.window else {}),
        "zoom": state.zoom,
        "left_out": state.dropped_turns,
    }
    text = json_text(value).removesuffix("\n}") + f',\n  "turns": [{_turn_list(state.turns)}]\n}}\n'
    with atomic_file(name, private=private) as file:
        file.write(text.encode())


def _turn_list(turns: Sequence[RecordedTurn]) -> str:
    """Format the elements of the list of turns, indented as `json_text` would indent them."""
    rows = (turn.json_text.replace("\n", "\n    ") for turn in turns)
    text = ",\n    ".join(rows)
    return f"\n    {text}\n  " if text else ""


@dataclass(frozen=True)
class SavedChat:
    """The content of a session file. The image is not open yet, the marks are not resolved."""

    image: str | None
    image_fingerprint: str | None
    marks: tuple[MarkSpec, ...]
    numbers: bool
    zoom: bool
    dropped_turns: int
    turns: tuple[RecordedTurn, ...]
    window: Window | None = None


def read_session(name: str) -> SavedChat:
    """Read a session file. Raises InputError."""
    try:
        value = read_json(name, MAX_SESSION_BYTES)
    except FileNotFoundError:
        advice = advise_on_name(name, "check its name")
        raise InputError(f"there is no session file {name}: {advice}") from None
    except OSError as error:
        raise InputError(f"the session file {name} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(
            f"{name} is not a session file: expected the JSON that --save or /save writes ({error})"
        ) from None
    try:
        return _session_from_json(value)
    except InputError as error:
        raise InputError(f"{name} is not a session file: {error}") from None


def _session_from_json(value: Any) -> SavedChat:
    if not isinstance(value, Mapping) or value.get("kind") != KIND or value.get("schema") != SCHEMA:
        raise InputError(f'expected an object with "schema": {SCHEMA} and "kind": "{KIND}"')
    for field, (types, expected) in _FIELDS.items():
        if not isinstance(value.get(field), types):
            raise InputError(f"{field} is {expected}, not {short_repr(value.get(field))}")
    turns = tuple(_turn_from_json(row, number) for number, row in enumerate(value["turns"], 1))
    return SavedChat(
        value["image"],
        value["picture"],
        tuple(mark_from_json(mark) for mark in value["marks"]),
        value["numbers"],
        value["zoom"],
        min(max(value["left_out"], 0), len(turns)),
        turns,
        _window(value.get("window")),
    )


def _window(value: Any) -> Window | None:
    try:
        return None if value is None else check_window(value)
    except UsageError as error:
        raise InputError(str(error)) from None


def _turn_from_json(row: Any, number: int) -> RecordedTurn:
    try:
        record = record_from_json(row)
    except InputError as error:
        raise InputError(f"turn {number}: {error}") from None
    extra = dict(record.request.extra)
    fingerprint, tokens = extra.pop("picture", ""), extra.pop("tokens", [])
    if not isinstance(fingerprint, str):
        raise InputError(f"turn {number}: picture is a fingerprint, not {short_repr(fingerprint)}")
    if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
        raise InputError(f"turn {number}: tokens is a list of numbers, not {short_repr(tokens)}")
    request = replace(record.request, question=_harmless_text(record.request.question), extra=extra)
    answer = _harmless_text(record.answer or "")
    return RecordedTurn(replace(record, request=request, answer=answer), fingerprint, tuple(tokens))


def _harmless_text(text: str) -> str:
    """Neutralize control words, and replace lone surrogates, which break the tokenizer."""
    return neutralize(text.encode("utf-8", "replace").decode("utf-8")).text


@dataclass(frozen=True)
class ResumedChat:
    """The state of a resumed conversation, with a note for each difference from the saved one."""

    state: ChatState
    notes: tuple[str, ...]


def resume_chat(saved: SavedChat, model: str) -> ResumedChat:
    """Open the image again and resolve the marks on it.

    A missing or changed image, marks that do not fit and another `model` become notes, not errors.
    """
    notes: list[str] = []
    state = ChatState(zoom=saved.zoom, turns=saved.turns, dropped_turns=saved.dropped_turns)
    others = {turn.record.request.model for turn in saved.turns} - {model}
    if others:
        notes.append(f"earlier answers are from {', '.join(sorted(others))}, new ones from {model}")
    if saved.image is None:
        return ResumedChat(state, tuple(notes))
    try:
        check_kept(saved.image)
        file = open_image(saved.image, window=saved.window)
        _ = file.image  # decode now: a damaged image counts as missing
    except InputError as error:
        notes.append(f"the image is missing: {error}; /image PATH opens another")
        return ResumedChat(state, tuple(notes))
    if file.fingerprint != saved.image_fingerprint:
        notes.append(f"{saved.image} is not the saved image; conversation kept")
    try:
        marks = resolve_marks(saved.marks, file.size).marks
    except InputError as error:
        notes.append(f"the marks were removed, because one does not fit: {error}")
        marks = ()
    return ResumedChat(replace(state, marked=MarkedImage(file, marks, saved.numbers)), tuple(notes))
