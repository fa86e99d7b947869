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
from vipllava_cli.flows.batch.notes import note_kind
from vipllava_cli.flows.batch.run import BatchSummary

SECONDS_BETWEEN_LINES = 30.0
MAX_NOTES = 20  # kinds
MAX_ID_LENGTH = 40  # characters of a row's id on the terminal


@dataclass
class _NoteGroup:
    """Notes of one kind: the first of them, and how many there are."""

    id: str
    text: str
    count: int = 1


@dataclass
class NoteDisplay:
    """Prints notes about rows: one of each kind, with their number, and all of them with `-v`.

    The first note of a kind appears at once, and `finish` prints the numbers. With `holds`, all of it
    appears in `finish`.
    """

    messages: Messages
    holds: bool = False
    groups: dict[str, _NoteGroup] = field(default_factory=dict)

    def note(self, id: str, text: str) -> None:
        """Print a note about a row, or count it."""
        kind = note_kind(text)
        group = self.groups.get(kind)
        if group:
            group.count += 1
        elif len(self.groups) < MAX_NOTES:
            self.groups[kind] = _NoteGroup(id, text)
        else:
            self.groups.setdefault("", _NoteGroup("", "", 0)).count += 1
        if self.messages.verbose or not (self.holds or group or kind not in self.groups):
            self.messages.note(f"{short_id(id)}: {text}")

    def finish(self) -> None:
        """Print how many rows have each note."""
        if self.messages.verbose:
            return
        for kind, group in self.groups.items():
            if not kind:
                self.messages.note(f"{group.count} more notes of other kinds: add -v to print them")
            elif group.count > 1:
                self.messages.note(f"{group.count} rows, like {short_id(group.id)}: {group.text}")
            elif self.holds:
                self.messages.note(f"{short_id(group.id)}: {group.text}")


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
        display = ProgressDisplay(messages, total)
        try:
            yield display
        finally:
            display.notes.finish()
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
        display = ProgressDisplay(messages, total, bar, task)
        try:
            yield display
        finally:
            display.notes.finish()


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
