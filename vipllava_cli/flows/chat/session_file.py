"""A conversation as a file of JSON that a person can read, and back.

Each turn is a record; its `extra` holds the fingerprint of the picture that the model saw and the tokens
of the answer. The file is data: whatever is in it is checked, and acts on neither model nor terminal.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vipllava_cli.engine.prompts import harmless_question
from vipllava_cli.errors import InputError, short
from vipllava_cli.flows.chat.chat import ChatTurn, Talk
from vipllava_cli.marks.coordinates import place_marks
from vipllava_cli.marks.marked_image import MarkedPicture, read_picture
from vipllava_cli.marks.masks import with_outlines
from vipllava_cli.marks.parse import mark_from_json, mark_to_json
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.storage.files import whole_file
from vipllava_cli.storage.records import SCHEMA, record_from_json

KIND = "conversation"
_NUMBERS = re.compile(r"\[\n\s+((?:-?[\d.eE+-]+,\n\s+)*-?[\d.eE+-]+)\n\s+\]")


def write_session(talk: Talk, name: str, *, private: bool = False) -> None:
    """The conversation into a file, whole or not at all. Raises InputError."""
    marked = talk.marked
    source = marked.file.source if marked else None
    value = {
        "schema": SCHEMA,
        "kind": KIND,
        "image": os.path.abspath(source) if source and os.path.isfile(source) else source,
        "picture": marked.file.fingerprint if marked else None,
        "marks": [mark_to_json(mark) for mark in marked.marks] if marked else [],
        "numbers": bool(marked and marked.numbers),
        "zoom": talk.zoom,
        "left_out": talk.left_out,
        "turns": [_row(turn) for turn in talk.turns],
    }
    text = json.dumps(value, indent=2)
    text = _NUMBERS.sub(lambda match: f"[{' '.join(match[1].split())}]", text)
    with whole_file(name, private=private) as file:
        file.write(text.encode() + b"\n")


def _row(turn: ChatTurn) -> dict[str, Any]:
    row = turn.record.to_json()
    row["extra"] |= {"picture": turn.picture, "tokens": list(turn.tokens)}
    return row


@dataclass(frozen=True)
class Session:
    """A conversation as it was saved; its picture is not opened yet."""

    image: str | None
    picture: str | None
    marks: tuple[MarkSpec, ...]
    numbers: bool
    zoom: bool
    left_out: int
    turns: tuple[ChatTurn, ...]


def read_session(name: str) -> Session:
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


def _session(value: Any) -> Session:
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
            raise InputError(f"its {field} is {short(value.get(field))}")
    turns = tuple(_turn(row, number) for number, row in enumerate(value["turns"], 1))
    return Session(
        value["image"],
        value["picture"],
        tuple(mark_from_json(mark) for mark in value["marks"]),
        value["numbers"],
        value["zoom"],
        min(max(value["left_out"], 0), len(turns)),
        turns,
    )


def _turn(row: Any, number: int) -> ChatTurn:
    try:
        record = record_from_json(row)
    except InputError as error:
        raise InputError(f"turn {number}: {error}") from None
    extra = dict(record.asked.extra)
    picture, tokens = extra.pop("picture", ""), extra.pop("tokens", [])
    if not isinstance(picture, str) or not _are_tokens(tokens):
        raise InputError(f"turn {number}: its extra holds a picture's fingerprint and tokens")
    asked = replace(record.asked, question=_harmless(record.asked.question), extra=extra)
    answer = _harmless(record.answer or "")
    return ChatTurn(replace(record, asked=asked, answer=answer), picture, tuple(tokens))


def _are_tokens(value: Any) -> bool:
    return isinstance(value, list) and all(type(token) is int for token in value)


def _harmless(text: str) -> str:
    """Text that neither speaks to the model as itself nor breaks its tokenizer."""
    return harmless_question(text.encode("utf-8", "replace").decode("utf-8")).text


@dataclass(frozen=True)
class Resumed:
    """The conversation to go on with, and a line for each thing that is not as it was."""

    talk: Talk
    notes: tuple[str, ...]


def resume(session: Session, model: str) -> Resumed:
    """Open the picture again; one that is missing, or is another now, is said."""
    notes: list[str] = []
    talk = Talk(zoom=session.zoom, turns=session.turns, left_out=session.left_out)
    others = {turn.record.asked.model for turn in session.turns} - {model}
    if others:
        notes.append(f"answers so far are by {', '.join(sorted(others))}: {model} goes on")
    if session.image is None:
        return Resumed(talk, tuple(notes))
    try:
        file = read_picture(session.image)
        _ = file.picture
    except InputError as error:
        notes.append(f"the picture of this conversation is missing: {error}; /image PATH gives one")
        return Resumed(talk, tuple(notes))
    if file.fingerprint != session.picture:
        notes.append(f"{session.image} is not the picture that it was: the words are read over it")
    try:
        placed = place_marks(with_outlines(session.marks, file.size), *file.size)
        marks = placed.marks
    except InputError as error:
        notes.append(f"the marks are left out, as they do not fit: {error}")
        marks = ()
    return Resumed(replace(talk, marked=MarkedPicture(file, marks, session.numbers)), tuple(notes))
