"""Records -> one HTML page that needs nothing else: rows, pictures, style and script in one file.

All text of the records goes into blocks of JSON and from there, by the page's own script, into text
nodes: one way in, and one kind of escaping. The pictures come last, a block for each, so that the rows
show while they are still being read, and so that none is held here once it is written.
"""

import base64
import hashlib
import json
import os
import string
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO

from rich.progress import track

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.fetching import STANDARD_INPUT
from vipllava_cli.files import check_place, whole_file
from vipllava_cli.marks_text import mark_from_json
from vipllava_cli.records import SCHEMA
from vipllava_cli.render.text import Messages, safe
from vipllava_cli.render.thumbnails import View, thumbnails, view_of

SIDE = 240  # pixels of a thumbnail's longer side
SIDE_OF_FEW = 480  # what a small report can afford is sharp in the larger view, too
FEW = 100  # pictures
THREADS = min(4, os.cpu_count() or 1)  # each holds one decoded picture
MOST_OTHER_LINES = 1000  # before the first record: a film is not read to its end

Json = dict[str, Any]


def write_report(results: Path, out: Path, *, force: bool, messages: Messages) -> int:
    """Write the page of a file of records, or of standard input for `-`; returns the number of rows.

    Raises InputError, UsageError.
    """
    if out.exists() and results.exists() and out.samefile(results):
        raise UsageError(f"{out} is the file of results itself: name another for the page with -o")
    check_place(str(out), force=force)
    report = _read(results)
    if report.left_out:
        messages.note(report.left_out)
    with whole_file(str(out)) as file:
        gone = _write_page(report, file, messages)
        size = file.tell() / 1e6
    if gone:
        messages.note(f"{_count(gone, 'picture')} cannot be shown: the page says why")
    messages.note(f"wrote {out}, {_count(len(report.rows), 'row')}, {size:.1f} MB")
    return len(report.rows)


# --- reading ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Report:
    """The rows as the page's script reads them, the views that they name by number, and a line about
    what was no record.
    """

    title: str
    folder: str
    rows: Sequence[Json]
    views: Sequence[View]
    left_out: str


def _read(results: Path) -> _Report:
    """The records of a file. Raises InputError if it cannot be read or holds none."""
    title = "standard input" if str(results) == STANDARD_INPUT else results.name
    rows: list[Json] = []
    views: dict[View, int] = {}
    others: list[int] = []
    other = b""
    with _opened(results) as file:
        for number, line in enumerate(file, 1):
            shown = _shown(line)
            if shown is not None:
                row, view = shown
                rows.append(row | {"picture": views.setdefault(view, len(views))})
            elif line.strip():
                other = other or line
                others.append(number)
            if not rows and len(others) == MOST_OTHER_LINES:
                break
    if not rows:
        raise InputError(
            f'{title} holds no record: expected one JSON object with "schema": {SCHEMA} a line, as'
            f" `vipllava batch` and `vipllava ask --json` write them; found {_kind(other)}"
        )
    return _Report(title, str(results.parent), rows, list(views), _left_out(title, others))


@contextmanager
def _opened(results: Path) -> Iterator[BinaryIO]:
    """The file, or standard input for `-`. Raises InputError, also while it is read."""
    try:
        if str(results) == STANDARD_INPUT:
            yield sys.stdin.buffer
        else:
            with results.open("rb") as file:
                yield file
    except FileNotFoundError:
        raise InputError(
            f"there is no file {results}: expected the results of `vipllava batch`; check the name"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{results} is a folder: name a file of results in it") from None
    except OSError as error:
        raise InputError(f"{results} cannot be read: {error.strerror or error}") from None


_KINDS: Mapping[str, tuple[type, ...]] = {
    "image": (str,),
    "question": (str, NoneType),
    "answer": (str, NoneType),
    "error": (dict, NoneType),
    "marks": (list,),
    "extra": (dict, NoneType),
}


def _shown(line: bytes) -> tuple[Json, View] | None:
    """A line's record as the page shows it; None for a line that is something else, or cut short."""
    try:
        record = json.loads(line.decode("utf-8-sig"))
        return (_row(record), view_of(record)) if _is_record(record) else None
    except (ValueError, RecursionError):
        return None


def _is_record(value: Any) -> bool:
    if not isinstance(value, dict) or value.get("schema") != SCHEMA:
        return False
    has_end = value.get("answer") is not None or value.get("error") is not None
    return has_end and all(isinstance(value.get(name), kinds) for name, kinds in _KINDS.items())


def _kind(line: bytes) -> str:
    """What a line is that is no record, in words."""
    if not line:
        return "nothing"
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        return "bytes that are no text"
    if "\0" in text:
        return "bytes that are no text"
    return f"lines like {text[:40]!r}{'…' if len(text) > 40 else ''}"


def _left_out(title: str, others: Sequence[int]) -> str:
    if not others:
        return ""
    if len(others) == 1:
        return f"{title}: line {others[0]} is no record and was left out"
    return f"{title}: {len(others)} lines are no records and were left out, line {others[0]} first"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


# --- rows ------------------------------------------------------------------------------------

_FACTS: Mapping[str, str] = {
    "id": "Id",
    "image": "Picture",
    "crop": "Zoomed to",
    "revision": "Revision",
    "template": "Template",
    "options": "Options",
    "dtype": "Precision",
    "device": "Device",
    "prompt_tokens": "Prompt tokens",
    "answer_tokens": "Answer tokens",
    "finish_reason": "Ended by",
    "key": "Key",
}


def _row(record: Json) -> Json:
    """What the page shows of a record: text made safe, ready for text nodes."""
    error, seconds = record.get("error"), record.get("seconds")
    image = safe(record["image"])
    return {
        "id": _text(record.get("id")),
        "image": image,
        "name": image.replace("\\", "/").rstrip("/").rpartition("/")[2] or image,
        "question": _text(record.get("question")),
        "answer": _text(record.get("answer")),
        "error": None if error is None else [_text(error.get(key)) for key in ("type", "message")],
        "cut": record.get("finish_reason") == "length",
        "seconds": seconds if _is_duration(seconds) else None,
        "marks": [_mark(mark) for mark in record["marks"]],
        "model": _text(record.get("model")),
        "extra": [
            [safe(name), _text(value)] for name, value in (record.get("extra") or {}).items()
        ],
        "facts": [_text(record.get(name) or None) for name in _FACTS],
    }


def _text(value: Any) -> str:
    """Any JSON value as safe text: text as it is, nothing for null, the rest as JSON."""
    if value is None:
        return ""
    return safe(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _is_duration(value: Any) -> bool:
    """A number to sort by; Python reads `NaN` and `1e999` as JSON, and a browser does not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9


def _mark(mark: Any) -> Json:
    """A mark as a person names it, and its colour for a swatch."""
    try:
        spec = mark_from_json(mark)
    except InputError:
        return {"words": "a mark that cannot be read", "color": "", "label": ""}
    if spec.color is None:
        return {"words": spec.shape, "color": "", "label": _text(spec.label)}
    return {
        "words": f"{spec.color.name} {spec.shape}",
        "color": "#{:02x}{:02x}{:02x}".format(*spec.color.rgb),
        "label": _text(spec.label),
    }


# --- the page --------------------------------------------------------------------------------


def _write_page(report: _Report, file: BinaryIO, messages: Messages) -> int:
    """Write the page; returns how many pictures it cannot show."""
    before, after = _shell(report)
    groups = _by_picture(report.views)
    side = SIDE_OF_FEW if len(report.views) <= FEW else SIDE
    gone = 0
    file.write(before)
    with _threads() as threads:
        drawn = threads.map(
            partial(thumbnails, folder=report.folder, side=side),
            ([report.views[number] for number in group] for group in groups),
        )
        for group, shown in zip(_watched(groups, messages), drawn, strict=True):
            for number, thumbnail in zip(group, shown, strict=True):
                file.write(_block(f"picture-{number}", asdict(thumbnail)))
                gone += bool(thumbnail.why)
    file.write(after)
    return gone


def _by_picture(views: Sequence[View]) -> Sequence[Sequence[int]]:
    """The numbers of the views, those of one picture together: it is then decoded once."""
    groups: dict[str, list[int]] = {}
    for number, view in enumerate(views):
        groups.setdefault(view.image, []).append(number)
    return list(groups.values())


@contextmanager
def _threads() -> Iterator[Executor]:
    """Threads that drop what they have not begun when something goes wrong or Ctrl-C is pressed."""
    threads = ThreadPoolExecutor(THREADS)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def _watched(groups: Sequence[Sequence[int]], messages: Messages) -> Iterator[Sequence[int]]:
    """The groups, with a bar on a terminal that shows how many are done."""
    yield from track(
        groups,
        "drawing the pictures",
        console=messages.console,
        transient=True,
        disable=messages.quiet or not messages.console.is_terminal,
    )


def _shell(report: _Report) -> tuple[bytes, bytes]:
    """The page before and after its pictures, from the three files beside this one."""
    html, style, script = (
        files("vipllava_cli.render").joinpath(f"report.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    before, after = html.split("$pictures\n")
    data = {
        "title": safe(report.title),
        "leftOut": safe(report.left_out),
        "facts": list(_FACTS.values()),
        "rows": report.rows,
    }
    filled = string.Template(before).substitute(
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=_block("data", data).decode(),
    )
    return filled.encode(), after.encode()


def _hash(source: str) -> str:
    """What the page's own policy lets run and style it: this source and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


# No character of a block can end it, or begin a comment in it: all are written out as JSON can.
_MARKUP = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def _block(name: str, value: Any) -> bytes:
    """A block of data in ASCII that the page's script finds by its name."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_MARKUP)
    return f'<script type="application/json" id="{name}">{text}</script>\n'.encode()
