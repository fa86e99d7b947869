"""Planned rows -> images read, drawn and resized in threads -> answers in batches -> the journal.

The model is opened for the first pending question. Questions that the journal has answered need none.
"""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol

from vipllava_cli.engine.base import Engine, Usage
from vipllava_cli.errors import GenerationError
from vipllava_cli.flows.answering import answer_prompts, make_answer_record, make_prompts
from vipllava_cli.flows.batch.answer_drawing import AnswerDrawing
from vipllava_cli.flows.batch.failures import FailureGroups
from vipllava_cli.flows.batch.fallback import iter_parts
from vipllava_cli.flows.batch.grouping import PendingQuestion, group_into_batches
from vipllava_cli.flows.batch.notes import RowNotes
from vipllava_cli.flows.batch.parallel import ParallelAnswers
from vipllava_cli.flows.batch.plan import PlannedRow, Planner
from vipllava_cli.flows.batch.read_ahead import map_ahead
from vipllava_cli.flows.batch.record_ids import NumberedRow, with_record_ids, with_siblings
from vipllava_cli.flows.batch.semaphore import WeightedSemaphore
from vipllava_cli.flows.batch.task import BatchTask, OnConflict
from vipllava_cli.images.save import marked_image_path, save_marked_image
from vipllava_cli.marks.marked_image import ImageFile
from vipllava_cli.sources.rows import Source
from vipllava_cli.storage.files import OutputError
from vipllava_cli.storage.journal import Journal
from vipllava_cli.storage.records import Record, Request, failure

NUM_READERS = min(4, os.cpu_count() or 1)  # threads that read, decode, draw and resize
MAX_DECODED_PIXELS = 100_000_000  # at a time, by all readers: about 1.5 GB until they are views
MAX_ROWS_BEFORE_MODEL = (
    2 * NUM_READERS
)  # rows read before the model is open; their files stay in memory
MAX_GROUPED_BATCHES = 4  # batches' worth of rows that are grouped by length together
MAX_GROUPED_ROWS = 128  # limit of the above, unless one batch is larger: views stay in memory

# The records of questions that are answered, or a question with its error.
Outcome = list[Record] | tuple[Request, GenerationError]


@dataclass
class BatchSummary:
    """The counts of a run, in questions.

    `kept` answers were in the journal. `copied` ones come from another row with the same request.
    `truncated` answers ended at the token limit. `replaced` counts the earlier answers that this run
    dropped: their images have changed, or the task replaces answers to other requests. `usage` counts
    the tokens of an engine whose answers may cost money. `siblings`
    counts the journal's answers to other requests about listed rows, `unlisted` those whose rows the
    source does not contain now. `failures` counts errors by type, `failure_groups` by message.
    """

    answered: int = 0
    kept: int = 0
    copied: int = 0
    truncated: int = 0
    replaced: int = 0
    siblings: int = 0
    unlisted: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    failure_groups: FailureGroups = field(default_factory=FailureGroups)
    seconds: float = 0.0
    finished: bool = False
    usage: Usage | None = None

    @property
    def rows(self) -> int:
        return self.answered + self.kept + self.copied + self.failed

    @property
    def failed(self) -> int:
        return self.failures.total()


class ProgressListener(Protocol):
    """Receives the progress of a run."""

    def advance(self, summary: BatchSummary, id: str) -> None:
        """Report that the question with this id is done."""
        ...

    def note(self, id: str, text: str) -> None:
        """Report a note about a row to the user."""
        ...


@dataclass
class BatchRun:
    """One run over a source.

    `batch_size` None means as many questions as fit into memory. If another thread sets `stop`, the
    run finishes the batch in flight and ends. `on_image` receives each image that is asked about, in
    the threads that read images.
    """

    source: Source
    task: BatchTask
    journal: Journal
    open_engine: Callable[[], Engine]
    listener: ProgressListener
    batch_size: int | None = None
    fail_fast: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    on_image: Callable[[ImageFile], object] | None = None
    summary: BatchSummary = field(default_factory=BatchSummary)
    _engine: Engine | None = None
    _is_answering: bool = False
    _pixels: WeightedSemaphore = field(
        default_factory=lambda: WeightedSemaphore(MAX_DECODED_PIXELS)
    )
    _parallel: "ParallelAnswers[Sequence[PendingQuestion], list[Outcome]] | None" = None
    _record_ids: list[str] = field(default_factory=list)  # in the order of the source

    def __post_init__(self) -> None:
        self._notes = RowNotes(self.listener.note)
        self._drawing = AnswerDrawing(self.task.save_marked)

    @property
    def is_answering(self) -> bool:
        """Return whether answers are made, or on their way to the disk."""
        return self._is_answering or self._parallel is not None

    def __call__(self) -> BatchSummary:
        """Answer every row. Raises ModelError, and InputError if the journal cannot be written."""
        start = time.monotonic()
        pool = ThreadPoolExecutor(NUM_READERS)
        try:
            self._answer_all(self._iter_prepared(pool))
            if self._parallel:
                for outcomes in self._parallel.finish():
                    self._write_outcomes(outcomes)
        finally:
            if self._parallel:
                self._parallel.close()
            # After Ctrl-C, a thread may still wait for a slow disk or server.
            is_interrupt = isinstance(sys.exception(), KeyboardInterrupt) or self.stop.is_set()
            pool.shutdown(wait=not is_interrupt, cancel_futures=True)
            self.summary.seconds = time.monotonic() - start
            self.summary.usage = self._engine.usage if self._engine else None
        if not self.stop.is_set():
            order = with_siblings(self._record_ids, self.journal)
            self.summary.siblings = len(order) - len(self._record_ids)
            self.summary.unlisted = self.journal.finish_in_order(order)
            self.summary.finished = True
        return self.summary

    # --- reading ahead -----------------------------------------------------------------------

    def _iter_prepared(self, pool: ThreadPoolExecutor) -> Iterator[PlannedRow]:
        """Iterate over the rows in order, each with its view if it has pending questions."""
        planner = Planner(self.task, self.journal)

        def prepare(numbered: NumberedRow) -> PlannedRow:
            planned = planner.plan(numbered)
            return self._make_view(planned, self._engine) if self._engine else planned

        def limit() -> int:
            return self._max_grouped() or MAX_ROWS_BEFORE_MODEL

        rows = with_record_ids(self.task, self.source.rows, self.journal)
        for planned in map_ahead(pool, prepare, rows, limit):
            if planned.marked_image and self._engine is None:
                self._engine = self.open_engine()
                self.batch_size = self.batch_size or self._engine.max_batch_size()
            # Rows that the threads planned before the model was open have no view yet.
            yield self._make_view(planned, self._engine) if self._engine else planned

    def _make_view(self, planned: PlannedRow, engine: Engine) -> PlannedRow:
        """Decode, draw and resize a row's image, and keep only the view."""
        marked_image = planned.marked_image
        if marked_image is None:
            return planned
        width, height = marked_image.file.size
        try:
            with self._pixels.hold(width * height):
                sent = marked_image.for_model(is_padded=engine.info.pads_image)
                if self.on_image:
                    self.on_image(marked_image.file)
                if self.task.save_marked:
                    path = marked_image_path(self.task.save_marked, planned.marked_id)
                    source = marked_image.file.source
                    drawn = marked_image.drawn()
                    save_marked_image(drawn, path, source=source, force=self.task.replaces_marked)
                view = engine.view(sent)
                return replace(planned, marked_image=None, view=view)
        except OutputError:
            raise
        except Exception as error:  # one bad row never stops the run
            return planned.fail_pending(error)

    def _max_grouped(self) -> int:
        """Return how many rows are read and grouped together, or 0 before the model is open."""
        batch_size = self.batch_size if self._engine and self.batch_size else 0
        batch_size *= self._engine.parallel if self._engine else 1
        return max(batch_size, min(MAX_GROUPED_BATCHES * batch_size, MAX_GROUPED_ROWS))

    # --- answering ---------------------------------------------------------------------------

    def _answer_all(self, rows: Iterable[PlannedRow]) -> None:
        pending: list[PendingQuestion] = []
        threshold = self.batch_size or 1  # the first batch starts at once, later ones are grouped
        for planned in rows:
            with self._answering():
                pending += self._write_resolved(planned)
            if self.stop.is_set():
                return
            if len(pending) >= max(threshold, self.batch_size or 1):
                self._answer(pending)
                pending = []
                threshold = self._next_threshold(threshold)
        self._answer(pending)

    def _next_threshold(self, threshold: int) -> int:
        """Return how many questions are grouped next. A server gets each question alone."""
        if self._engine and self._engine.parallel > 1:
            return self.batch_size or 1
        return min(2 * max(threshold, self.batch_size or 1), self._max_grouped())

    def _write_resolved(self, planned: PlannedRow) -> list[PendingQuestion]:
        """Write the questions that need no model. Return the others."""
        pending = []
        for question in planned.questions:
            request, error = question.request, question.error
            self._record_ids.append(request.id)
            if question.is_pending and planned.view and self._engine:
                self._drawing.expect(request.id, planned.marked_id)
                try:
                    prompts = make_prompts(
                        self._engine,
                        planned.view,
                        request.question,
                        self.task.template,
                        question.options,
                    )
                    pending.append(PendingQuestion(request, prompts, question.options))
                except Exception as prompt_error:  # one bad row never stops the run
                    error = prompt_error
            if error:
                self._write_failure(request, error)
            elif question.is_kept:
                if question.updated_record:
                    self.journal.append([question.updated_record])
                self.summary.kept += 1
                self.listener.advance(self.summary, request.id)
            elif question.copied_record:
                self._append([question.copied_record])
                self.summary.copied += 1
                self.listener.advance(self.summary, request.id)
        self._notes.send(planned)
        return pending

    def _answer(self, pending: Sequence[PendingQuestion]) -> None:
        for batch in group_into_batches(pending, self.batch_size or 1):
            if self.stop.is_set():
                return
            with self._answering():
                if self._engine and self._engine.parallel > 1:
                    self._start_batch(batch, self._engine.parallel)
                else:
                    self._answer_batch(batch)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        self._is_answering = True
        try:
            yield
        finally:
            self._is_answering = False

    def _start_batch(self, batch: Sequence[PendingQuestion], parallel: int) -> None:
        """Answer one batch in another thread, and write the finished batches."""
        if self._parallel is None:
            self._parallel = ParallelAnswers(self._collect, parallel, self.stop.is_set)
        self._write_outcomes(self._parallel.add(batch))

    def _collect(self, batch: Sequence[PendingQuestion]) -> list[Outcome]:
        return list(self._outcomes(batch))

    def _write_outcomes(self, batches: Iterable[Iterable[Outcome]]) -> None:
        """Write the outcomes of several batches: all records together, which is one write to the disk."""
        outcomes = [outcome for batch in batches for outcome in batch]
        records = [each for outcome in outcomes if isinstance(outcome, list) for each in outcome]
        if records:
            self._write_answers(records)
        for outcome in outcomes:
            if isinstance(outcome, tuple):
                self._write_failure(*outcome)

    def _answer_batch(self, batch: Sequence[PendingQuestion]) -> None:
        """Answer one batch, and write each part of it as soon as it is answered."""
        for outcome in self._outcomes(batch):
            self._write_outcome(outcome)

    def _outcomes(self, batch: Sequence[PendingQuestion]) -> Iterator[Outcome]:
        """Yield the records of the parts of a batch, or the error of a question."""
        engine = self._engine
        assert engine is not None  # noqa: S101 - the run opens it before the first batch
        options = batch[0].options
        requests = iter([question.request for question in batch])
        for part in iter_parts(
            lambda prompts: answer_prompts(engine, prompts, options),
            [question.prompts for question in batch],
            should_stop=self.stop.is_set,
            on_halved=lambda size: self._lower_batch_size(size * len(batch[0].prompts)),
        ):
            if isinstance(part, GenerationError):
                yield next(requests), part
            else:
                some = list(islice(requests, len(part)))
                yield [
                    make_answer_record(request, answers, options, engine.info)
                    for request, answers in zip(some, part, strict=True)
                ]

    def _lower_batch_size(self, prompts: int) -> None:
        """Halve the batch size after a full batch: later ones would not fit either."""
        if prompts == self.batch_size:
            self.batch_size = prompts // 2

    # --- writing -----------------------------------------------------------------------------

    def _write_outcome(self, outcome: Outcome) -> None:
        if isinstance(outcome, tuple):
            self._write_failure(*outcome)
        else:
            self._write_answers(outcome)

    def _write_answers(self, records: Sequence[Record]) -> None:
        self._append([record.to_json() for record in records])
        self.summary.truncated += sum(record.finish_reason == "length" for record in records)
        for record in records:
            for note in (record.note, self._drawing.draw(record)):
                if note:
                    self.listener.note(record.request.id, note)
            self.summary.answered += 1
            self.listener.advance(self.summary, record.request.id)

    def _write_failure(self, request: Request, error: Exception) -> None:
        """Write a failed record. The answer of an earlier run stays, unless another request replaces it.

        An image that another program has damaged or is still writing must not cost its answer.
        """
        failed = failure(error)
        is_same = not request.key or self.task.on_conflict is not OnConflict.replace
        if is_same and self.journal.has_answer(request.id):
            self.listener.note(request.id, f"kept the earlier answer: {failed.message}")
        else:
            self._append([Record(request, error=failed).to_json()])
        self.summary.failures[failed.type] += 1
        self.summary.failure_groups.add(request, failed)
        self.listener.advance(self.summary, request.id)
        if self.fail_fast:
            self.stop.set()

    def _append(self, records: Sequence[Mapping[str, Any]]) -> None:
        """Write records, and count the earlier answers that they replace."""
        replaced = sum(self.journal.has_answer(record["id"]) for record in records)
        self.journal.append(records)
        self.summary.replaced += replaced
