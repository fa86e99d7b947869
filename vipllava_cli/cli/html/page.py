"""Rows and images -> one HTML page that needs nothing else: images, style and script in one file.

All text of the records goes into blocks of JSON and from there, by the page's own script, into text
nodes: one way in, and one kind of escaping. The images come last, a block for each, so that the rows
show while they are still being read, and so that none is held here once it is written.
"""

import base64
import hashlib
import json
import os
import string
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any, BinaryIO

from rich.progress import track

from vipllava_cli.cli.html.thumbnails import ThumbnailSpec, thumbnails
from vipllava_cli.cli.terminal.messages import Messages, safe
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.record_file import Json

SIDE = 240  # pixels of a thumbnail's longer side
LARGE_SIDE = 480  # what a small report can afford is sharp in the larger view, too
FEW_IMAGES = 100  # images
THREADS = min(4, os.cpu_count() or 1)  # each holds one decoded image


@dataclass(frozen=True)
class ReportPage:
    """The rows as the page's script reads them, the views that they name by number, the names of their
    facts, and a line about what is not shown. `kinds` are those that rows name and that can be chosen,
    `counts` what the whole holds; without them, the script counts what was answered and what failed.
    """

    title: str
    folder: str
    rows: Sequence[Json]
    views: Sequence[ThumbnailSpec]
    facts: Mapping[str, str]
    skipped_note: str
    kinds: Sequence[str] | None = None
    counts: Sequence[tuple[str, str]] = ()


def write_page(page: ReportPage, out: Path, messages: Messages) -> float:
    """Write the page whole or not at all; returns its size in MB. Raises InputError."""
    with atomic_file(str(out)) as file:
        gone = _write(page, file, messages)
        size = file.tell() / 1e6
    if gone:
        messages.note(f"{count_noun(gone, 'image')} cannot be shown: the page says why")
    return size


def _write(page: ReportPage, file: BinaryIO, messages: Messages) -> int:
    """Write; returns how many images cannot be shown."""
    before, after = _shell(page)
    groups = _by_image(page.views)
    side = LARGE_SIDE if len(page.views) <= FEW_IMAGES else SIDE
    gone = 0
    file.write(before)
    with _threads() as threads:
        drawn = threads.map(
            partial(thumbnails, folder=page.folder, side=side),
            ([page.views[number] for number in group] for group in groups),
        )
        for group, shown in zip(_watched(groups, messages), drawn, strict=True):
            for number, thumbnail in zip(group, shown, strict=True):
                file.write(_block(f"thumbnail-{number}", asdict(thumbnail)))
                gone += bool(thumbnail.why)
    file.write(after)
    return gone


def _by_image(views: Sequence[ThumbnailSpec]) -> Sequence[Sequence[int]]:
    """The numbers of the views, those of one image together: it is then decoded once."""
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
        "drawing the images",
        console=messages.console,
        transient=True,
        disable=messages.quiet or not messages.console.is_terminal,
    )


def _shell(page: ReportPage) -> tuple[bytes, bytes]:
    """The page before and after its images, from the three files beside this one."""
    html, style, script = (
        files("vipllava_cli.cli.html").joinpath(f"report.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js")
    )
    before, after = html.split("$images\n")
    data = {
        "title": safe(page.title),
        "leftOut": safe(page.skipped_note),
        "facts": list(page.facts.values()),
        "kinds": page.kinds,
        "counts": [[safe(name), safe(value)] for name, value in page.counts],
        "rows": page.rows,
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
