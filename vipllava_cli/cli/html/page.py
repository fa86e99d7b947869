"""Rows and images -> one self-contained HTML page, with the images, style and script inside.

All text of records goes into JSON blocks, and the page's script puts it into text nodes, so there
is only one kind of escaping. The images come last, one block each. The browser shows the rows while
it still reads the images, and the writer holds one image at a time.
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
from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import UsageError
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.outputs import page_mark
from vipllava_cli.storage.record_file import Json

SIDE = 240  # pixels: longer side of a thumbnail
LARGE_SIDE = 480  # pixels: longer side in a report of few images; sharp in the larger view too
FEW_IMAGES = 100  # images: up to here, thumbnails have LARGE_SIDE
THREADS = min(4, os.cpu_count() or 1)  # each holds one decoded image


@dataclass(frozen=True)
class ReportPage:
    """The content of a page.

    `folder` is the second place to find images in. `rows` are as the page's script reads them; each
    names its thumbnail by its number in `views`. `facts` maps the fields of a record to their names
    on the page. `skipped_note` describes what the page leaves out, or is empty.

    `kinds` are the groups of rows to select from, and `counts` the figures at the top; without
    `kinds`, the script counts answered and failed rows. `records` is the file that the page shows; the
    page may be made again from it.
    """

    title: str
    folder: str
    rows: Sequence[Json]
    views: Sequence[ThumbnailSpec]
    facts: Mapping[str, str]
    skipped_note: str
    kinds: Sequence[str] | None = None
    counts: Sequence[tuple[str, str]] = ()
    records: Path | None = None


def check_page_name(path: Path) -> None:
    """Raise UsageError for a page whose name is that of another kind of file."""
    if path.suffix.lower() in _OTHER_SUFFIXES:
        raise UsageError(
            f"{path} has the suffix of another format, and the page is HTML: use"
            f" {path.with_suffix('.html')}"
        )


_OTHER_SUFFIXES = (".pdf", ".png", ".jpg", ".csv", ".json", ".jsonl", ".parquet", ".md", ".docx")


def write_page(page: ReportPage, out: Path, messages: Messages) -> float:
    """Write the page atomically. Returns its size in MB. Raises InputError."""
    with atomic_file(str(out)) as file:
        missing = _write(page, page_mark(out, page.records), file, messages)
        size = file.tell() / 1e6
    if missing:
        messages.note(f"{count_noun(missing, 'image')} cannot be shown: the page says why")
    return size


def _write(page: ReportPage, mark: str, file: BinaryIO, messages: Messages) -> int:
    """Write the page. Returns the number of images that cannot be shown."""
    head, tail = _shell(page, mark)
    groups = _group_by_image(page.views)
    side = LARGE_SIDE if len(page.views) <= FEW_IMAGES else SIDE
    missing = 0
    file.write(head)
    with _thread_pool() as threads:
        drawn = threads.map(
            partial(thumbnails, folder=page.folder, side=side),
            ([page.views[number] for number in group] for group in groups),
        )
        for group, images in zip(_with_bar(groups, messages), drawn, strict=True):
            for number, thumbnail in zip(group, images, strict=True):
                file.write(_block(f"thumbnail-{number}", asdict(thumbnail)))
                missing += bool(thumbnail.why)
    file.write(tail)
    return missing


def _group_by_image(views: Sequence[ThumbnailSpec]) -> Sequence[Sequence[int]]:
    """Group the numbers of the thumbnails by image, so that each image is decoded once."""
    groups: dict[str, list[int]] = {}
    for number, view in enumerate(views):
        groups.setdefault(view.image, []).append(number)
    return list(groups.values())


@contextmanager
def _thread_pool() -> Iterator[Executor]:
    """Yield a thread pool that drops waiting work after an error or Ctrl-C."""
    threads = ThreadPoolExecutor(THREADS)
    try:
        yield threads
    finally:
        threads.shutdown(cancel_futures=True)


def _with_bar(groups: Sequence[Sequence[int]], messages: Messages) -> Iterator[Sequence[int]]:
    """Yield the groups, and show a progress bar on a terminal."""
    yield from track(
        groups,
        "drawing the images",
        console=messages.console,
        transient=True,
        disable=messages.quiet or not messages.console.is_terminal,
    )


def _shell(page: ReportPage, mark: str) -> tuple[bytes, bytes]:
    """Fill in the HTML, CSS and script files. Returns the page before and after its images."""
    html, style, *scripts = (
        files("vipllava_cli.cli.html").joinpath(name).read_text(encoding="utf-8")
        for name in ("report.html", "report.css", "rows.js", "report.js")
    )
    script = "".join(scripts)
    head, tail = html.split("$images\n")
    data = {
        "title": safe(page.title),
        "skippedNote": safe(page.skipped_note),
        "facts": list(page.facts.values()),
        "kinds": page.kinds,
        "counts": [[safe(name), safe(value)] for name, value in page.counts],
        "rows": page.rows,
    }
    filled = string.Template(head).substitute(
        mark=mark,
        style=style,
        style_hash=_hash(style),
        script=script,
        script_hash=_hash(script),
        data=_block("data", data).decode(),
    )
    return filled.encode(), tail.encode()


def _hash(source: str) -> str:
    """Hash a style or script for the page's content security policy, which allows no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()


# Escaped in JSON: otherwise a text could end its block or begin a comment in it.
_MARKUP = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


def _block(name: str, value: Any) -> bytes:
    """Encode data as a block of ASCII that the page's script finds by its name."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":")).translate(_MARKUP)
    return f'<script type="application/json" id="{name}">{text}</script>\n'.encode()
