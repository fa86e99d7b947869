"""Planned rows -> read, drawn and resized ahead in threads -> answered in batches -> the journal.

The model is opened when the first row needs it; rows that the journal knows are passed by.
"""

import os
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from vipllava_cli.engine.base import Answer, Engine, GenerationOptions, ModelView, Prompt
from vipllava_cli.errors import GenerationError, OutOfMemoryError
from vipllava_cli.flows.ask import make_record
from vipllava_cli.flows.batch.plan import BatchTask, PlannedRow, Planner, with_unique_ids
from vipllava_cli.images.save import marked_image_path, save_image
from vipllava_cli.images.square import pad_to_square
from vipllava_cli.sources.rows import BadRow, Row, Source
from vipllava_cli.storage.journal import Journal
from vipllava_cli.storage.records import Record, Request, failure

READERS = min(4, os.cpu_count() or 1)  # threads that read, decode, draw and resize
MAX_PIXELS = 100_000_000  # decoded at a time, by all readers: about 1.5 GB on the way to a view
AHEAD = 2 * READERS  # rows that are read before the model is there: their files stay in memory
BATCHES_AT_ONCE = 4  # so many batches' rows are looked at together to put like lengths beside
MOST_AT_ONCE = 128  # rows of them, unless one batch has more: their views stay in memory

T = TypeVar("T")
U = TypeVar("U")


@dataclass
class BatchSummary:
    """What came of a run; `others` counts earlier records that the source does not name."""

    answered: int = 0
    kept: int = 0
    copied: int = 0
    cut: int = 0
    others: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    finished: bool = False

    @property
    def rows(self) -> int:
        return self.answered + self.kept + self.copied + self.failed

    @property
    def failed(self) -> int:
        return self.failures.total()


class ProgressListener(Protocol):
    """Is told how a run goes on."""

    def advance(self, summary: BatchSummary, id: str) -> None:
        """A row was done."""
        ...

    def note(self, id: str, text: str) -> None:
        """Something that the user should know of a row."""
        ...


@dataclass(frozen=True)
class PendingQuestion:
    """A question that the model is to answer."""

    asked: Request
    prompt: Prompt
    options: GenerationOptions


@dataclass
class BatchRun:
    """One run over a source. `size` is how many questions are answered together; None: as many as
    fit into memory. `stop` may be set from outside: what is in flight is finished, then it ends.
    """

    source: Source
    task: BatchTask
    journal: Journal
    open_engine: Callable[[], Engine]
    watcher: ProgressListener
    size: int | None = None
    fail_fast: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    summary: BatchSummary = field(default_factory=BatchSummary)
    _engine: Engine | None = None
    _room: "WeightedSemaphore" = field(default_factory=lambda: WeightedSemaphore(MAX_PIXELS))
    _order: list[str] = field(default_factory=list)
    _defaults: set[str] = field(default_factory=set)

    def __call__(self) -> BatchSummary:
        """Answer every row. Raises ModelError, and InputError when the journal cannot be written."""
        start = time.monotonic()
        pool = ThreadPoolExecutor(READERS)
        try:
            self._answer_all(self._seen(pool))
        finally:
            at_once = isinstance(sys.exception(), KeyboardInterrupt)
            pool.shutdown(wait=not at_once, cancel_futures=True)
        self.summary.seconds = time.monotonic() - start
        if not self.stop.is_set():
            self.summary.others = self.journal.finish_in_order(self._order)
            self.summary.finished = True
        return self.summary

    # --- reading ahead -----------------------------------------------------------------------

    def _seen(self, pool: ThreadPoolExecutor) -> Iterator[PlannedRow]:
        """The rows in order, each with what the model will see of it."""
        planner = Planner(self.task, self.journal)

        def prepare(row: Row | BadRow) -> PlannedRow:
            planned = planner(row)
            return self._see(planned, self._engine) if self._engine else planned

        rows = with_unique_ids(self.task, self.source.rows)
        for planned in _ahead(pool, prepare, rows, lambda: self._most_at_once() or AHEAD):
            if planned.marked and self._engine is None:
                self._engine = self.open_engine()
                self.size = self.size or self._engine.max_batch_size()
            # Those that were read before the model was there are seen only now.
            yield self._see(planned, self._engine) if self._engine else planned

    def _see(self, planned: PlannedRow, engine: Engine) -> PlannedRow:
        """Decode, draw and resize where that is still to be done; the image itself is let go."""
        marked = planned.marked
        if marked is None:
            return planned
        width, height = marked.file.size
        try:
            with self._room.taken(width * height):
                drawn = marked.drawn()
                if self.task.save_marked:
                    place = marked_image_path(self.task.save_marked, planned.id)
                    save_image(drawn, str(place), force=True)
                return replace(planned, marked=None, view=engine.view(pad_to_square(drawn)))
        except Exception as error:  # one bad row never stops the run
            return planned.failed(error)

    def _most_at_once(self) -> int:
        """How many rows are looked at together; 0 until the model is there to say."""
        size = self.size if self._engine and self.size else 0
        return max(size, min(BATCHES_AT_ONCE * size, MOST_AT_ONCE))

    # --- answering ---------------------------------------------------------------------------

    def _answer_all(self, plans: Iterable[PlannedRow]) -> None:
        waiting: list[PendingQuestion] = []
        enough = self.size or 1  # for a start one batch: the model need not wait for more
        for planned in plans:
            waiting += self._settled_at_once(planned)
            if self.stop.is_set():
                return
            if len(waiting) >= max(enough, self.size or 1):
                self._answer_some(waiting)
                waiting = []
                enough = min(2 * max(enough, self.size or 1), self._most_at_once())
        self._answer_some(waiting)

    def _settled_at_once(self, planned: PlannedRow) -> list[PendingQuestion]:
        """Write what needs no model; return what does."""
        waiting = []
        for item in planned.items:
            self._order.append(item.asked.id)
            error = item.error
            if item.waits and planned.view and self._engine:
                try:
                    prompt = self._engine.prompt(
                        planned.view, item.asked.question, self.task.template
                    )
                    waiting.append(PendingQuestion(item.asked, prompt, item.options))
                except Exception as refused:  # one bad row never stops the run
                    error = refused
            if error:
                self._fail(item.asked, error)
            elif item.kept:
                self.summary.kept += 1
                self.watcher.advance(self.summary, item.asked.id)
            elif item.copied:
                self.journal.append([item.copied])
                self.summary.copied += 1
                self.watcher.advance(self.summary, item.asked.id)
        for note in planned.notes:
            self.watcher.note(planned.id, note)
        if planned.view and planned.default and planned.default not in self._defaults:
            self._defaults.add(planned.default)
            self.watcher.note(
                planned.id,
                f'no question is given for rows like this: asked "{planned.default}"; --question'
                " asks another",
            )
        return waiting

    def _answer_some(self, waiting: list[PendingQuestion]) -> None:
        """Like lengths together, the questions about one view side by side."""
        for batch in group_into_batches(waiting, self.size or 1):
            if self.stop.is_set():
                return
            self._answer_batch(batch)

    def _answer_batch(self, batch: Sequence[PendingQuestion]) -> None:
        """One batch; when it does not fit into memory, its halves; when it fails, each row alone."""
        engine = self._engine
        assert engine is not None
        try:
            answers = engine.answer_batch([one.prompt for one in batch], batch[0].options)
        except GenerationError as error:
            # Kept without its traceback, which would keep the memory of what failed.
            failed = type(error)(str(error))
        else:
            self._write(engine, [one.asked for one in batch], answers)
            return
        if len(batch) == 1:
            self._fail(batch[0].asked, failed)
            return
        halved = isinstance(failed, OutOfMemoryError)
        size = len(batch) // 2 if halved else 1
        for at in range(0, len(batch), size):
            if not self.stop.is_set():
                self._answer_batch(batch[at : at + size])
        if halved and len(batch) == self.size:
            self.size = size  # a full batch did not fit: the next ones will not either

    def _write(self, engine: Engine, asked: Sequence[Request], answers: Sequence[Answer]) -> None:
        records = [
            make_record(one, answer, engine.info)
            for one, answer in zip(asked, answers, strict=True)
        ]
        self.journal.append([record.to_json() for record in records])
        self.summary.cut += sum(record.finish_reason == "length" for record in records)
        for record in records:
            self.summary.answered += 1
            self.watcher.advance(self.summary, record.asked.id)

    def _fail(self, asked: Request, error: Exception) -> None:
        """Write the failure; but what cannot be read today does not replace an answer of before."""
        failed = failure(error)
        if not asked.key and self.journal.has_answer(asked.id):
            self.watcher.note(asked.id, f"its answer of before is kept: {failed.message}")
        else:
            self.journal.append([Record(asked, error=failed).to_json()])
        self.summary.failures[failed.type] += 1
        self.watcher.advance(self.summary, asked.id)
        if self.fail_fast:
            self.stop.set()


# --- order and pace --------------------------------------------------------------------------


class WeightedSemaphore:
    """Lets threads take so much at a time; one that wants more than there is goes alone."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Wait until there is room for the amount, and hold it meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + amount <= self.size)
            self._taken += amount
        try:
            yield
        finally:
            with self._changed:
                self._taken -= amount
                self._changed.notify_all()


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[T], U], items: Iterable[T], most: Callable[[], int]
) -> Iterator[U]:
    """`work` over the items in their order, at most so many of them begun before they are wanted."""
    begun: deque[Future[U]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        while len(begun) >= most():
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def group_into_batches(
    waiting: Sequence[PendingQuestion], size: int
) -> Iterator[list[PendingQuestion]]:
    """Batches of at most `size`, alike in their options: like lengths together, and the questions
    about one view in one batch where they fit.
    """
    groups: dict[tuple[ModelView, GenerationOptions], list[PendingQuestion]] = {}
    for one in waiting:
        groups.setdefault((one.prompt.view, one.options), []).append(one)
    batch: list[PendingQuestion] = []
    for group in sorted(groups.values(), key=_place):
        full = len(batch) + len(group) > size
        if batch and (full or batch[0].options != group[0].options):
            yield batch
            batch = []
        batch = batch + group
        while len(batch) >= size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def _place(group: Sequence[PendingQuestion]) -> tuple[tuple[str, ...], int]:
    """Choices apart, as all that is not weighed fits together; then by the longest prompt."""
    return group[0].options.choices, max(len(one.prompt.ids) for one in group)
