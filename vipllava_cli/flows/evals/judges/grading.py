"""Judges: how right an answer is, from 0 to 1, where words alone do not tell.

The rules are those of ViP-Bench, and of MM-Vet before it: a language model at temperature 0 gives each
answer a number; `<AND>` parts are all needed and any `<OR>` part suffices; worked examples come before
the row; the first word of the reply is the number; a row whose reply is no such number five times
counts as 0. The instructions and the examples are our own, so grades are close to the published ones
and not the same.
"""

import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from vipllava_cli.errors import ModelError
from vipllava_cli.flows.evals.judges.grades import (
    AND,
    NO_ANSWER,
    OR,
    Grade,
    GradeFile,
    GradingRow,
    alike,
    open_grades,
    shared,
)

MAX_CONSECUTIVE_FAILURES = (
    10  # rows that could not be graded, none between them that could: it is not there
)

GradeFunction = Callable[[GradingRow, threading.Event], Grade]


class Judge(Protocol):
    """What grades rows, so many at a time; its name stands beside every grade."""

    @property
    def name(self) -> str: ...

    @property
    def parallel(self) -> int: ...

    def open_session(self) -> AbstractContextManager[GradeFunction]:
        """What grades a row; it is called from several threads. When the event is set it waits for
        nothing more. Raises ModelError when no row can be graded.
        """
        ...


@dataclass(frozen=True)
class ExactMatch:
    """An offline stand-in that looks for the wanted words in the answer, and understands nothing."""

    name: str = "exact match, no judge"
    parallel: int = 1

    def open_session(self) -> AbstractContextManager[GradeFunction]:
        return nullcontext(_match)


def exact_judge() -> Judge:
    """The offline stand-in: 1 where all that is wanted stands in the answer, else 0."""
    return ExactMatch()


def grade(
    rows: Sequence[GradingRow],
    judge: Judge,
    place: Path,
    on_progress: Callable[[int, int], None],
) -> dict[str, Grade]:
    """The grade of every row by its id; those that the file at `place` holds are not made again, and
    those that failed are. Tells how many rows are done, and of how many.

    Raises InputError for a file that cannot be used, ModelError when the judge is not there; what was
    graded until then is kept.
    """
    grades: dict[str, Grade] = {}

    def done(row: GradingRow, grade: Grade) -> None:
        grades[row.id] = grade
        on_progress(len(grades), len(rows))

    file = open_grades(place, judge.name)
    with file.journal:
        waiting = []
        for row in rows:
            if row.answer is None:
                done(row, Grade(row.id, 0.0, error=NO_ANSWER))
            elif kept := file.kept(row):
                done(row, kept)
            else:
                waiting.append(row)
        groups = alike(waiting, file)
        for first, grade in _graded([group[0] for group in groups.values()], judge, file):
            for row in groups[file.key(first)]:
                done(row, grade if row is first else shared(grade, row))
    return {row.id: grades[row.id] for row in rows}


def _graded(
    rows: Sequence[GradingRow], judge: Judge, file: GradeFile
) -> Iterator[tuple[GradingRow, Grade]]:
    """Each row with its new grade, which is on disk. Raises ModelError."""
    if not rows:
        return
    failed_in_a_row = 0
    with (
        judge.open_session() as work,
        closing(_in_parallel(rows, work, judge.parallel)) as finished,
    ):
        for row, grade in finished:
            file.add(row, grade)
            yield row, grade
            failed_in_a_row = failed_in_a_row + 1 if grade.error else 0
            if failed_in_a_row == MAX_CONSECUTIVE_FAILURES:
                raise ModelError(
                    f"{failed_in_a_row} answers in a row could not be graded by {judge.name}: the last"
                    f" time, {grade.error}; the same command goes on from here"
                )


def _in_parallel(
    rows: Iterable[GradingRow], work: GradeFunction, parallel: int
) -> Generator[tuple[GradingRow, Grade]]:
    """The rows with their grades as they come, so many at a time. After an error no row is begun, and
    it is raised when those in flight have come.
    """
    waiting, stop = iter(rows), threading.Event()
    lock = threading.Lock()
    done: SimpleQueue[tuple[GradingRow, Grade] | Exception | None] = SimpleQueue()

    def grade_some() -> None:
        try:
            while not stop.is_set():
                with lock:
                    row = next(waiting, None)
                if row is None:
                    break
                done.put((row, work(row, stop)))
        except Stopped:
            pass
        except Exception as error:
            stop.set()
            done.put(error)
        done.put(None)

    # Daemons: after Ctrl-C nobody waits for a judge that takes its time.
    workers = [threading.Thread(target=grade_some, daemon=True) for _ in range(parallel)]
    for worker in workers:
        worker.start()
    open_session, fault = len(workers), None
    try:
        while open_session:
            outcome = done.get()
            if outcome is None:
                open_session -= 1
            elif isinstance(outcome, Exception):
                fault = fault or outcome
            else:
                yield outcome
    finally:
        stop.set()
    if fault:
        raise fault


class Stopped(Exception):  # noqa: N818 - no error: nobody wants the row any more
    """A row was given up because the run ends."""


# --- the stand-in ------------------------------------------------------------------------------

# Numbers with what joins their digits, words, and signs; what sets sentences apart is left out.
_TOKENS = re.compile(
    r"(?:(?<!\w)-)?\d+(?:[.,/:]\d+)*|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|[^\w\s.,;:!?\"'()\[\]\u2019-]"
)


def _match(row: GradingRow, stop: threading.Event) -> Grade:
    right = float(holds(row.answer or "", row.wanted))
    return Grade(row.id, right, raw=f"{right}", tries=1)


def holds(answer: str, wanted: str) -> bool:
    """Whether the words of every `<AND>` part, by any of its `<OR>`, stand in the answer."""
    words = _tokens(answer)
    return all(
        any(_stands_in(_tokens(one), words) for one in part.split(OR)) for part in wanted.split(AND)
    )


def _tokens(text: str) -> list[str]:
    found = _TOKENS.findall(text.casefold())
    return found or text.casefold().split()


def _stands_in(wanted: Sequence[str], answer: Sequence[str]) -> bool:
    """Whether the wanted words stand in the answer, side by side; no words only in an empty one."""
    if not wanted:
        return not answer
    return any(
        answer[at : at + len(wanted)] == wanted for at in range(len(answer) - len(wanted) + 1)
    )
