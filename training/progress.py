"""The progress bar of a stage."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from training.metrics import format_accuracies


class ProgressReport(Protocol):
    """Reports the number of steps done and accuracies by name.

    `training` has the accuracies since the last validation, `held_out` those of a
    validation at this step.
    """

    def __call__(
        self, step: int, training: Mapping[str, float], held_out: Mapping[str, float] | None
    ) -> None: ...


@contextmanager
def show_progress(name: str, steps: int, *, shown: bool) -> Iterator[ProgressReport]:
    """Show a progress bar, and print a line for every validation."""
    columns = (
        TextColumn(name),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    start = time.monotonic()
    with Progress(*columns, disable=not shown) as bar:
        task = bar.add_task("", total=steps)

        def report(
            step: int, training: Mapping[str, float], held_out: Mapping[str, float] | None
        ) -> None:
            bar.update(task, completed=step)
            if held_out is not None:
                description = f"held out: {format_accuracies(held_out)}"
                bar.update(task, description=description)
                minutes = (time.monotonic() - start) / 60
                bar.console.print(
                    f"{name} {step}/{steps}, {minutes:.1f} min;"
                    f" training: {format_accuracies(training)}; {description}",
                    soft_wrap=True,
                )

        yield report
