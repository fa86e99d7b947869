"""The progress of a batch: a bar on a terminal, lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.flows.batch.run import BatchSummary

SECONDS_BETWEEN_LINES = 30.0
MAX_NOTES = 5
MAX_ID_LENGTH = 40  # characters of a row's id on the terminal


@dataclass
class NoteDisplay:
    """Prints notes about rows: the first few, and all of them with `-v`."""

    messages: Messages
    count: int = 0

    def note(self, id: str, text: str) -> None:
        """Print a note about a row."""
        self.count += 1
        if self.messages.verbose or self.count <= MAX_NOTES:
            self.messages.note(f"{short_id(id)}: {text}")
        elif self.count == MAX_NOTES + 1:
            self.messages.note("more notes like these: add -v to print them")


@dataclass
class ProgressDisplay:
    """Implements `batch.ProgressListener`.

    `total` counts the rows of the source, None if unknown. Without a `bar`, a line appears every
    `SECONDS_BETWEEN_LINES`.
    """

    messages: Messages
    total: int | None
    bar: Progress | None = None
    task: TaskID | None = None
    start: float = field(default_factory=time.monotonic)
    last_line: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self.notes = NoteDisplay(self.messages)

    def advance(self, summary: BatchSummary, id: str) -> None:
        """Show that a row is done."""
        rate = f"{self._rate(summary):.1f} rows/s"
        if self.bar and self.task is not None:
            if self.total and summary.rows > self.total:
                self.total = None  # some rows hold several questions
            self.bar.update(
                self.task,
                completed=summary.rows,
                total=self.total,
                failed=f"{summary.failed} failed" if summary.failed else "",
                rate=rate,
                row=short_id(id),
            )
        elif time.monotonic() - self.last_line >= SECONDS_BETWEEN_LINES:
            self.last_line = time.monotonic()
            total = f" of {self.total}" if self.total else ""
            self.messages.say(f"{summary.rows}{total} rows, {summary.failed} failed, {rate}")

    def note(self, id: str, text: str) -> None:
        """Print a note about a row."""
        self.notes.note(id, text)

    def _rate(self, summary: BatchSummary) -> float:
        done = summary.rows - summary.kept
        return done / max(time.monotonic() - self.start, 1e-3)


@contextmanager
def watch_progress(messages: Messages, total: int | None) -> Iterator[ProgressDisplay]:
    """Show the progress of a batch of `total` rows, None if unknown."""
    if messages.quiet or not messages.console.is_terminal:
        yield ProgressDisplay(messages, total)
        return
    columns = (
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failed]}"),
        TextColumn("{task.fields[row]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=messages.console, transient=True) as bar:
        task = bar.add_task("", total=total, rate="", failed="", row="")
        yield ProgressDisplay(messages, total, bar, task)


@contextmanager
def count_progress(messages: Messages, activity: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on a terminal. Yields a function that takes the numbers done and in total."""
    if messages.quiet or not messages.console.is_terminal:
        yield lambda done, total: None
        return
    columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn(activity))
    with Progress(*columns, console=messages.console, transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def short_id(id: str) -> str:
    """Cut the id of a row to its end, for a line of the terminal."""
    text = one_line(id)
    return text if len(text) <= MAX_ID_LENGTH else f"…{text[1 - MAX_ID_LENGTH :]}"
