"""A row -> its questions: kept, copied, failed or pending.

Planning decodes no image: for a question that the journal has answered, it reads and hashes a file.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from vipllava_cli.engine.base import ModelView
from vipllava_cli.engine.options import GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.control_words import drop_image_word
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.flows.batch.image_files import open_regular_file
from vipllava_cli.flows.batch.record_ids import NumberedRow, with_record_ids
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.flows.numbering import with_numbers
from vipllava_cli.flows.referring import name_marks, with_reference
from vipllava_cli.flows.requests import make_request
from vipllava_cli.flows.small_marks import small_mark_note
from vipllava_cli.images.source import record_name
from vipllava_cli.marks.marked_image import MarkedImage, zoom_in
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.sources.rows import BadRow, Row, Source
from vipllava_cli.storage.journal import Journal
from vipllava_cli.storage.records import Request


@dataclass(frozen=True)
class PlannedQuestion:
    """One question of a row, and how a run gets its answer.

    `is_kept`: the journal has the answer of this row. `updated_record`: its record with the present
    fields of the source, if they have changed. `copied_record`: the record of another row with the same
    request, under the id of this one. `error`: the reason for its failure. With none of these, the
    question is pending. `replaces_answer`: the journal has another answer of this row.
    """

    request: Request
    options: GenerationOptions = GREEDY
    is_kept: bool = False
    updated_record: dict[str, Any] | None = None
    copied_record: dict[str, Any] | None = None
    error: Exception | None = None
    replaces_answer: bool = False

    @property
    def is_pending(self) -> bool:
        return not self.is_kept and self.copied_record is None and self.error is None


@dataclass(frozen=True)
class PlannedRow:
    """A row with its questions.

    A row with pending questions has a `marked_image`, later its `view` instead. `default_question` is
    set if neither the row nor the task has a question.
    """

    id: str
    questions: tuple[PlannedQuestion, ...]
    marked_image: MarkedImage | None = None
    view: ModelView | None = None
    notes: tuple[str, ...] = ()
    default_question: str | None = None

    @property
    def has_pending(self) -> bool:
        return any(question.is_pending for question in self.questions)

    @property
    def marked_id(self) -> str:
        """The id that names the marked image: an appended row has other marks than the first."""
        id = self.questions[0].request.id
        return id.rpartition(":q")[0] if len(self.questions) > 1 else id

    def fail_pending(self, error: Exception) -> "PlannedRow":
        """Return the row with an error for every pending question."""
        questions = [
            replace(question, error=error) if question.is_pending else question
            for question in self.questions
        ]
        return replace(self, marked_image=None, questions=tuple(questions))


class Planner:
    """Plans rows against a journal. Thread-safe."""

    def __init__(self, task: BatchTask, journal: Journal) -> None:
        self.task = task
        self.journal = journal
        # An image's regions are adjacent rows.
        self._open = lru_cache(maxsize=2)(open_regular_file)

    def plan(self, numbered: NumberedRow) -> PlannedRow:
        """Plan the questions of a row. An error becomes the error of a question."""
        task, row = self.task, numbered.row
        if isinstance(row, BadRow):
            return PlannedRow(row.id, (_failed_question(task, row, row.id, "", row.error),))
        texts = dict(zip(numbered.record_ids, task.texts(row), strict=True))
        try:
            marked_image, notes = self._mark_image(row)
        except Exception as error:  # one bad row never stops the run
            failed = [_failed_question(task, row, id, text, error) for id, text in texts.items()]
            return PlannedRow(row.id, tuple(failed))
        notes += tuple(filter(None, (task.unused_note(row),)))
        questions = []
        names = name_marks(marked_image, task.reference, has_fields=bool(task.options.fields))
        for id, text in texts.items():
            try:
                prepared = prepare_question(text, marked_image.marks, task.columns(row), names)
                questions.append(self._plan_question(row, id, marked_image, prepared.text))
                notes += prepared.notes
            except Exception as error:  # one bad row never stops the run
                questions.append(_failed_question(task, row, id, text, error))
        has_pending = any(question.is_pending for question in questions)
        if has_pending and task.view_size:
            small_note = small_mark_note(task.view_size, marked_image)
            notes += (small_note,) if small_note else ()
        return PlannedRow(
            row.id,
            tuple(questions),
            marked_image if has_pending else None,
            notes=notes if task.notes_rows else (),
            default_question=task.default_question(row),
        )

    def _mark_image(self, row: Row) -> tuple[MarkedImage, tuple[str, ...]]:
        if row.image_error:
            raise row.image_error
        file = self._open(row.image, self.task.frame, self.task.window)
        resolved = resolve_marks(
            self.task.specs(row),
            file.size,
            style=self.task.style,
            read_orientation=file.read_orientation,
        )
        plain = MarkedImage(file, resolved.marks, self.task.numbers)
        styled = with_reference(plain, self.task.reference)
        marked_image, numbers_notes = with_numbers(styled, self.task.texts(row))
        frame_note = file.frame_note("--frame N")
        notes = tuple(filter(None, (frame_note, *resolved.notes, *numbers_notes)))
        return (zoom_in(marked_image) if self.task.zoom else marked_image), notes

    def _plan_question(
        self, row: Row, id: str, marked_image: MarkedImage, text: str
    ) -> PlannedQuestion:
        task, options = self.task, self.task.row_options(row)
        request = make_request(
            marked_image, text, task.model, task.template, options, id=id, extra=row.extra
        )
        if self.journal.is_answered(id, request.key):
            updated = self._updated_record(request)
            return PlannedQuestion(request, options, is_kept=True, updated_record=updated)
        replaces = self.journal.has_answer(id)
        record = self.journal.find_answer(request.key)
        if record is None:
            return PlannedQuestion(request, options, replaces_answer=replaces)
        copied = {**record, "id": id, "image": request.image, "extra": dict(row.extra)}
        return PlannedQuestion(request, options, copied_record=copied, replaces_answer=replaces)

    def _updated_record(self, request: Request) -> dict[str, Any] | None:
        """Return the kept record with the fields of its row, such as a corrected label.

        Returns None if they are as they were.
        """
        record = self.journal.find_record(request.id)
        if record is None:
            return None
        recorded = record.get("extra") or {}
        extra = {**recorded, **request.extra}
        return {**record, "extra": extra} if extra != recorded else None


def plan_all(source: Source, task: BatchTask, journal: Journal) -> Iterator[PlannedRow]:
    """Plan every row of a source."""
    return map(Planner(task, journal).plan, with_record_ids(task, source.rows, journal))


# --- failures --------------------------------------------------------------------------------


def _failed_question(
    task: BatchTask, row: Row | BadRow, id: str, text: str, error: Exception
) -> PlannedQuestion:
    """Plan a question that fails. Its request has no key: the image may be unknown."""
    name, revision = task.model
    request = Request(
        id=id,
        key="",
        image=record_name(row.image),
        width=None,
        height=None,
        marks=(),
        numbers=task.numbers,
        crop=None,
        question=drop_image_word(text).text,
        model=name,
        revision=revision,
        template=task.template,
        options=task.row_options(row).to_json(),
        extra=dict(row.extra) if isinstance(row, Row) else {},
        window=task.window,
        mark_style=task.reference.style.recorded,
    )
    return PlannedQuestion(request, error=error)
