"""A conversation as a file of JSON that a person can read, and back.

Each turn is a record; its `extra` holds the fingerprint of the image that the model saw and the tokens
of the answer. The file is data: whatever is in it is checked, and acts on neither model nor terminal.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vipllava_cli.engine.prompts.control_words import neutralize
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.chat.chat import ChatState, RecordedTurn
from vipllava_cli.marks.marked_image import MarkedImage, open_image
from vipllava_cli.marks.parse import mark_from_json, mark_to_json
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.records import SCHEMA, record_from_json

KIND = "conversation"
_NUMBERS = re.compile(r"\[\n\s+((?:-?[\d.eE+-]+,\n\s+)*-?[\d.eE+-]+)\n\s+\]")


def write_session(state: ChatState, name: str, *, private: bool = False) -> None:
    """The conversation into a file, whole or not at all. Raises InputError."""
    marked = state.marked
    source = marked.file.source if marked else None
    value = {
        "schema": SCHEMA,
        "kind": KIND,
        "image": os.path.abspath(source) if source and os.path.isfile(source) else source,
        "picture": marked.file.fingerprint if marked else None,
        "marks": [mark_to_json(mark) for mark in marked.marks] if marked else [],
        "numbers": bool(marked and marked.numbers),
        "zoom": state.zoom,
        "left_out": state.dropped_turns,
        "turns": [_row(turn) for turn in state.turns],
    }
    text = json.dumps(value, indent=2)
    text = _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", text)
    with atomic_file(name, private=private) as file:
        file.write(text.encode() + b"\n")


def _row(turn: RecordedTurn) -> dict[str, Any]:
    row = turn.record.to_json()
    row["extra"] |= {"picture": turn.image_fingerprint, "tokens": list(turn.tokens)}
    return row


@dataclass(frozen=True)
class SavedChat:
    """A conversation as it was saved; its image is not opened yet."""

    image: str | None
    image_fingerprint: str | None
    marks: tuple[MarkSpec, ...]
    numbers: bool
    zoom: bool
    dropped_turns: int
    turns: tuple[RecordedTurn, ...]


def read_session(name: str) -> SavedChat:
    """The session in a file. Raises InputError."""
    try:
        value = json.loads(Path(name).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"the session {name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"the session {name} is not JSON ({error})") from None
    try:
        return _session(value)
    except InputError as error:
        raise InputError(f"{name} is not a session of chat: {error}") from None


def _session(value: Any) -> SavedChat:
    if not isinstance(value, Mapping) or value.get("kind") != KIND or value.get("schema") != SCHEMA:
        raise InputError(f'expected an object with "schema": {SCHEMA} and "kind": "{KIND}"')
    fields: Mapping[str, tuple[type, ...]] = {
        "image": (str, type(None)),
        "picture": (str, type(None)),
        "marks": (list,),
        "numbers": (bool,),
        "zoom": (bool,),
        "left_out": (int,),
        "turns": (list,),
    }
    for field, kinds in fields.items():
        if not isinstance(value.get(field), kinds):
            raise InputError(f"its {field} is {short_repr(value.get(field))}")
    turns = tuple(_turn(row, number) for number, row in enumerate(value["turns"], 1))
    return SavedChat(
        value["image"],
        value["picture"],
        tuple(mark_from_json(mark) for mark in value["marks"]),
        value["numbers"],
        value["zoom"],
        min(max(value["left_out"], 0), len(turns)),
        turns,
    )


def _turn(row: Any, number: int) -> RecordedTurn:
    try:
        record = record_from_json(row)
    except InputError as error:
        raise InputError(f"turn {number}: {error}") from None
    extra = dict(record.request.extra)
    fingerprint, tokens = extra.pop("picture", ""), extra.pop("tokens", [])
    if not isinstance(fingerprint, str) or not _are_tokens(tokens):
        raise InputError(f"turn {number}: its extra holds an image's fingerprint and tokens")
    request = replace(record.request, question=_harmless(record.request.question), extra=extra)
    answer = _harmless(record.answer or "")
    return RecordedTurn(replace(record, request=request, answer=answer), fingerprint, tuple(tokens))


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and all(type(token) is int for token in value)


def _harmless(text: str) -> str:
    """Text that neither speaks to the model as itself nor breaks its tokenizer."""
    return neutralize(text.encode("utf-8", "replace").decode("utf-8")).text


@dataclass(frozen=True)
class ResumedChat:
    """The conversation to go on with, and a line for each thing that is not as it was."""

    state: ChatState
    notes: tuple[str, ...]


def resume(session: SavedChat, model: str) -> ResumedChat:
    """Open the image again; one that is missing, or is another now, is said."""
    notes: list[str] = []
    state = ChatState(zoom=session.zoom, turns=session.turns, dropped_turns=session.dropped_turns)
    others = {turn.record.request.model for turn in session.turns} - {model}
    if others:
        notes.append(f"answers so far are by {', '.join(sorted(others))}: {model} goes on")
    if session.image is None:
        return ResumedChat(state, tuple(notes))
    try:
        file = open_image(session.image)
        _ = file.image
    except InputError as error:
        notes.append(f"the image of this conversation is missing: {error}; /image PATH gives one")
        return ResumedChat(state, tuple(notes))
    if file.fingerprint != session.image_fingerprint:
        notes.append(f"{session.image} is not the image that it was: the words are read over it")
    try:
        marks = resolve_marks(session.marks, file.size).marks
    except InputError as error:
        notes.append(f"the marks are left out, as they do not fit: {error}")
        marks = ()
    return ResumedChat(
        replace(state, marked=MarkedImage(file, marks, session.numbers)), tuple(notes)
    )
