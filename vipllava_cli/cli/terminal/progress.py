"""How a batch goes on: a bar on a terminal, a line every half minute elsewhere, a table at the end."""

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
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.flows.batch.run import BatchSummary

SECONDS_BETWEEN_LINES = 30.0
MAX_NOTES = 5


@dataclass
class ProgressDisplay:
    """Implements `batch.ProgressListener`. `total` counts the source's rows, None where that is not known."""

    messages: Messages
    total: int | None
    bar: Progress | None = None
    task: TaskID | None = None
    start: float = field(default_factory=time.monotonic)
    said: float = field(default_factory=time.monotonic)
    notes: int = 0

    def advance(self, summary: BatchSummary, id: str) -> None:
        """A row was done."""
        if self.bar and self.task is not None:
            if self.total and summary.rows > self.total:
                self.total = None  # rows with several questions of their own
            self.bar.update(
                self.task,
                completed=summary.rows,
                total=self.total,
                failed=f"{summary.failed} failed" if summary.failed else "",
                pace=f"{self._pace(summary):.1f} rows/s",
                row=_short(id),
            )
        elif time.monotonic() - self.said >= SECONDS_BETWEEN_LINES:
            self.said = time.monotonic()
            of = f" of {self.total}" if self.total else ""
            self.messages.say(
                f"{summary.rows}{of} rows, {summary.failed} failed, {self._pace(summary):.1f} rows/s"
            )

    def note(self, id: str, text: str) -> None:
        """The first few are shown, all with `-v`."""
        self.notes += 1
        if self.messages.verbose or self.notes <= MAX_NOTES:
            self.messages.note(f"{_short(id)}: {text}")
        elif self.notes == MAX_NOTES + 1:
            self.messages.note("more notes like these are shown with -v")

    def _pace(self, summary: BatchSummary) -> float:
        done = summary.rows - summary.kept
        return done / max(time.monotonic() - self.start, 1e-3)


@contextmanager
def watch_progress(messages: Messages, total: int | None) -> Iterator[ProgressDisplay]:
    """A watch for a run over so many rows."""
    if messages.quiet or not messages.console.is_terminal:
        yield ProgressDisplay(messages, total)
        return
    columns = (
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
        TextColumn("[red]{task.fields[failed]}"),
        TextColumn("{task.fields[row]}", markup=False, style="dim"),
    )
    with Progress(*columns, console=messages.console, transient=True) as bar:
        task = bar.add_task("", total=total, pace="", failed="", row="")
        yield ProgressDisplay(messages, total, bar, task)


@contextmanager
def count_progress(messages: Messages, what: str) -> Iterator[Callable[[int, int], None]]:
    """On a terminal a bar of how many are done, of how many; yields what moves it."""
    if messages.quiet or not messages.console.is_terminal:
        yield lambda done, total: None
        return
    columns = (BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn(what))
    with Progress(*columns, console=messages.console, transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def summary_table(summary: BatchSummary, out: str) -> Table:
    """The numbers of a run."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    rows = {
        "answered": summary.answered,
        "kept from before": summary.kept,
        "copied from a row that asked the same": summary.copied,
        "cut at --max-new-tokens": summary.truncated,
        "kept, not in the source now": summary.unlisted,
        **{f"failed: {kind}": count for kind, count in sorted(summary.failures.items())},
    }
    for name, count in rows.items():
        if count or name == "answered":
            table.add_row(str(count), Text(name))
    done = summary.answered + summary.failed
    pace = f", {done / max(summary.seconds, 1e-3):.1f} rows a second" if done else ""
    table.add_row(f"{summary.seconds:.1f}", Text(f"seconds{pace}"))
    table.add_row("in", Text(one_line(out)))
    return table


def _short(id: str) -> str:
    text = one_line(id)
    return text if len(text) <= 40 else f"…{text[-39:]}"
