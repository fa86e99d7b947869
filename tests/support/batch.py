"""Helpers for batch runs over a fake engine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vipllava_cli.engine.base import Engine
from vipllava_cli.flows.batch.run import BatchRun, BatchSummary
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.sources.rows import BadRow, Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal

TASK = BatchTask(("fake", "1"), ("what is this?",))


class SilentListener:
    """A listener that only keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def advance(self, summary: BatchSummary, id: str) -> None:
        pass

    def note(self, id: str, text: str) -> None:
        self.notes.append(f"{id}: {text}")


def run_over(
    rows: Sequence[Row | BadRow],
    out: Path,
    engine: Engine,
    task: BatchTask = TASK,
    **options: Any,
) -> BatchSummary:
    """Run a batch over these rows. `options` are fields of `BatchRun`."""
    with open_journal(out) as journal:
        source = Source(iter(rows), "test")
        return BatchRun(source, task, journal, lambda: engine, SilentListener(), **options)()


def read_answers(out: Path) -> dict[str, str | None]:
    """Read the answers of a journal by id, in the order of the file."""
    return {record["id"]: record["answer"] for record in read_journal(out)}


def file_size(path: Path) -> int:
    """Return the size in bytes, or 0 for a file that does not exist."""
    return path.stat().st_size if path.exists() else 0


def write_grey_images(folder: Path) -> Path:
    """Write `0.png` to `19.png`, all different, 40x30 pixels. Returns the folder."""
    folder.mkdir()
    for number in range(20):
        pixels = np.full((30, 40, 3), number * 10, np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder
