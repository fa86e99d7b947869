"""Grade answers with a judge, in parallel, and store every grade.

The rules are those of ViP-Bench, and of MM-Vet before it: a language model at temperature 0 gives each
answer a number; every `<AND>` part is needed, and any `<OR>` alternative suffices; worked examples come
before the row; a row is asked about five times at most. The published runs record 0 for a row that gets
no number; here it has no grade and is counted as such. The instructions and the examples are our own, so
grades are close to the published ones but not equal.
"""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from vipllava_cli.errors import ModelError
from vipllava_cli.flows.evals.judges.grades import (
    NO_ANSWER,
    Grade,
    GradeFile,
    GradingRow,
    group_by_key,
    open_grades,
    share_grade,
)
from vipllava_cli.flows.evals.scorers import contains

# Consecutive rows that could not be graded. More of them mean that the judge does not work.
MAX_CONSECUTIVE_FAILURES = 10

GradeFunction = Callable[[GradingRow, threading.Event], Grade]


class Judge(Protocol):
    """A grader of rows, `parallel` at a time. Its name is stored with every grade."""

    @property
    def name(self) -> str: ...

    @property
    def parallel(self) -> int: ...

    def open_session(self, on_note: Callable[[str], None]) -> AbstractContextManager[GradeFunction]:
        """Return a function that grades a row. Several threads call it, and it calls `on_note`.

        When its event is set, the function stops waiting and raises StoppedError. It raises
        ModelError if no row can be graded.
        """
        ...


class StoppedError(Exception):
    """The run ends before this row is graded."""


@dataclass(frozen=True)
class ExactMatch:
    """An offline judge that looks for the words of the target in the answer."""

    name: str = "exact match, no judge"
    parallel: int = 1

    def open_session(self, on_note: Callable[[str], None]) -> AbstractContextManager[GradeFunction]:
        return nullcontext(_match)


def exact_judge() -> Judge:
    """Return the offline judge: 1 if the answer contains the target, else 0."""
    return ExactMatch()


def _match(row: GradingRow, stop: threading.Event) -> Grade:
    score = float(contains(row.answer or "", row.target))
    return Grade(row.id, score, raw=f"{score}", tries=1)


def grade(
    rows: Sequence[GradingRow],
    judge: Judge,
    path: Path,
    on_progress: Callable[[int, int], None],
    on_note: Callable[[str], None] = lambda note: None,
) -> dict[str, Grade]:
    """Grade rows, and return the grades by id. `on_progress` gets the rows done and their total.

    `on_note` gets a line for the user for each change of the requests to the judge.

    The file at `path` keeps the grades. Grades in it are not made again, except failed ones.

    Raises InputError if the file cannot be used, ModelError if the judge does not work. The file
    then keeps the grades so far.
    """
    grades: dict[str, Grade] = {}

    def done(row: GradingRow, grade: Grade) -> None:
        grades[row.id] = grade
        on_progress(len(grades), len(rows))

    file = open_grades(path, judge.name)
    with file.journal:
        waiting = []
        for row in rows:
            if row.answer is None:
                done(row, Grade(row.id, 0.0, error=NO_ANSWER))
            elif stored := file.find(row):
                done(row, stored)
            else:
                waiting.append(row)
        groups = group_by_key(waiting, file)
        for first, grade in _grade_new(
            [group[0] for group in groups.values()], judge, file, on_note
        ):
            for row in groups[file.key(first)]:
                done(row, grade if row is first else share_grade(grade, row))
    return {row.id: grades[row.id] for row in rows}


def _grade_new(
    rows: Sequence[GradingRow],
    judge: Judge,
    file: GradeFile,
    on_note: Callable[[str], None],
) -> Iterator[tuple[GradingRow, Grade]]:
    """Yield each row with its new grade, which is on disk. Raises ModelError."""
    if not rows:
        return
    failures = 0  # consecutive
    with (
        judge.open_session(on_note) as grade_row,
        closing(_grade_in_parallel(rows, grade_row, judge.parallel)) as finished,
    ):
        for row, grade in finished:
            file.add(row, grade)
            yield row, grade
            failures = failures + 1 if grade.error else 0
            if failures == MAX_CONSECUTIVE_FAILURES:
                raise ModelError(
                    f"{judge.name} could not grade {failures} answers in a row; the last error:"
                    f" {grade.error}; repeat the command to continue from here"
                )


def _grade_in_parallel(
    rows: Iterable[GradingRow], grade_row: GradeFunction, parallel: int
) -> Generator[tuple[GradingRow, Grade]]:
    """Yield rows with their grades in the order in which they finish, `parallel` at a time.

    After an error no further row starts. The error is raised once the rows in flight have finished.
    """
    waiting, stop = iter(rows), threading.Event()
    lock = threading.Lock()
    # A finished row, an error, or None from a worker that ends.
    outcomes: SimpleQueue[tuple[GradingRow, Grade] | Exception | None] = SimpleQueue()

    def work() -> None:
        try:
            while not stop.is_set():
                with lock:
                    row = next(waiting, None)
                if row is None:
                    break
                outcomes.put((row, grade_row(row, stop)))
        except StoppedError:
            pass
        except Exception as error:
            stop.set()
            outcomes.put(error)
        outcomes.put(None)

    # Daemon threads: after Ctrl-C the program does not wait for a slow judge.
    workers = [threading.Thread(target=work, daemon=True) for _ in range(parallel)]
    for worker in workers:
        worker.start()
    running, first_error = len(workers), None
    try:
        while running:
            outcome = outcomes.get()
            if outcome is None:
                running -= 1
            elif isinstance(outcome, Exception):
                first_error = first_error or outcome
            else:
                yield outcome
    finally:
        stop.set()
    if first_error:
        raise first_error
