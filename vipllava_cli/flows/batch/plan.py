"""A row -> its questions: kept, copied, failed or pending.

Planning decodes no image: for a question that the journal has answered, it reads and hashes a file.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from vipllava_cli.engine.base import ModelView
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.errors import InputError
from vipllava_cli.flows.requests import make_request
from vipllava_cli.images.source import parse_source
from vipllava_cli.marks.marked_image import ImageFile, MarkedImage, open_image, zoom_in
from vipllava_cli.marks.resolve import NO_STYLE, resolve_marks
from vipllava_cli.marks.types import MarkSpec, MarkStyle
from vipllava_cli.sources.rows import BadRow, Row, Source
from vipllava_cli.storage.journal import Journal
from vipllava_cli.storage.records import Request

DEFAULT_QUESTION = "What is {1}?"
DEFAULT_QUESTION_UNMARKED = "Describe this image."


@dataclass(frozen=True)
class BatchTask:
    """The settings of a run for every row.

    `model` is the model's name and revision. `questions` apply to rows without questions of their own.
    `marks` are drawn after the row's marks. `frame` is for images whose name chooses no frame.
    `save_marked` is a folder for the marked images, or None.
    """

    model: tuple[str, str]
    questions: tuple[str, ...] = ()
    marks: tuple[MarkSpec, ...] = ()
    style: MarkStyle = NO_STYLE
    frame: int | None = None
    numbers: bool = False
    zoom: bool = False
    template: str = DEFAULT_TEMPLATE
    options: GenerationOptions = GREEDY
    save_marked: Path | None = None


@dataclass(frozen=True)
class PlannedQuestion:
    """One question of a row, and how a run gets its answer.

    `is_kept`: the journal has the answer of this row. `copied_record`: the record of another row with the
    same request, under the id of this one. `error`: the reason for its failure. With none of these, the
    question is pending.
    """

    request: Request
    options: GenerationOptions = GREEDY
    is_kept: bool = False
    copied_record: dict[str, Any] | None = None
    error: Exception | None = None

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
        self._open = lru_cache(maxsize=2)(_open_regular_file)

    def plan(self, row: Row | BadRow) -> PlannedRow:
        """Plan the questions of a row. An error becomes the error of a question."""
        task = self.task
        if isinstance(row, BadRow):
            return PlannedRow(row.id, (_failed_question(task, row, row.id, "", row.error),))
        default = None if row.questions or task.questions else _default_question(task, row)
        texts = dict(_with_ids(row.id, row.questions or task.questions or (str(default),)))
        try:
            marked_image, notes = self._mark_image(row)
        except Exception as error:  # one bad row never stops the run
            failed = [_failed_question(task, row, id, text, error) for id, text in texts.items()]
            return PlannedRow(row.id, tuple(failed))
        questions = []
        for id, text in texts.items():
            try:
                columns = None if row.questions else _columns(row)
                prepared = prepare_question(text, marked_image.marks, columns)
                questions.append(self._plan_question(row, id, marked_image, prepared.text))
                notes += prepared.notes
            except Exception as error:  # one bad row never stops the run
                questions.append(_failed_question(task, row, id, text, error))
        is_pending = any(question.is_pending for question in questions)
        return PlannedRow(
            row.id,
            tuple(questions),
            marked_image if is_pending else None,
            notes=notes,
            default_question=default,
        )

    def _mark_image(self, row: Row) -> tuple[MarkedImage, tuple[str, ...]]:
        file = self._open(row.image, self.task.frame)
        specs = (*row.marks, *self.task.marks)
        resolved = resolve_marks(specs, file.size, style=self.task.style)
        marked_image = MarkedImage(file, resolved.marks, self.task.numbers)
        notes = tuple(filter(None, (file.frame_note("--frame N"), *resolved.notes)))
        return (zoom_in(marked_image) if self.task.zoom else marked_image), notes

    def _plan_question(
        self, row: Row, id: str, marked_image: MarkedImage, text: str
    ) -> PlannedQuestion:
        task, options = self.task, _row_options(self.task, row)
        request = make_request(marked_image, text, task.model, task.template, options)
        request = replace(request, id=id, extra=dict(row.extra))
        if self.journal.is_answered(id, request.key):
            return PlannedQuestion(request, options, is_kept=True)
        record = self.journal.find_answer(request.key)
        if record is None:
            return PlannedQuestion(request, options)
        copied = {**record, "id": id, "image": request.image, "extra": dict(row.extra)}
        return PlannedQuestion(request, options, copied_record=copied)


def _open_regular_file(image: str, frame: int | None) -> ImageFile:
    """Open an image, but not a pipe or a device: reading one might never end. Raises InputError."""
    path = parse_source(image).location
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise InputError(f"{path} is a pipe or a device: expected an image file")
    return open_image(image, frame)


def plan_all(source: Source, task: BatchTask, journal: Journal) -> Iterator[PlannedRow]:
    """Plan every row of a source."""
    return map(Planner(task, journal).plan, with_unique_ids(task, source.rows))


# --- ids -------------------------------------------------------------------------------------


def with_unique_ids(task: BatchTask, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """Give each row an id of its own: the second `a.png` becomes `a.png~2`.

    Takes linear time, even if all rows have the same id.
    """
    taken: set[str] = set()
    numbers: dict[tuple[str, int], int] = defaultdict(lambda: 1)  # the last number that was tried
    for row in rows:
        count = len(_questions(task, row))
        number = numbers[row.id, count]
        id = row.id if number == 1 else f"{row.id}~{number}"
        while not taken.isdisjoint(_record_ids(id, count)):
            number += 1
            id = f"{row.id}~{number}"
        numbers[row.id, count] = number
        taken.update(_record_ids(id, count))
        yield row if id == row.id else replace(row, id=id)


def _questions(task: BatchTask, row: Row | BadRow) -> Sequence[str]:
    """Return the row's questions, else the task's, else one placeholder."""
    return (row.questions if isinstance(row, Row) else ()) or task.questions or ("",)


def _record_ids(id: str, count: int) -> list[str]:
    """Return the ids of a row's records: one for each of its questions."""
    return [id] if count == 1 else [f"{id}:q{number}" for number in range(1, count + 1)]


def _with_ids(id: str, questions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pair each question with the id of its record."""
    return zip(_record_ids(id, len(questions)), questions, strict=True)


# --- defaults and failures -------------------------------------------------------------------


def _default_question(task: BatchTask, row: Row) -> str:
    return DEFAULT_QUESTION if row.marks or task.marks else DEFAULT_QUESTION_UNMARKED


def _row_options(task: BatchTask, row: Row | BadRow) -> GenerationOptions:
    """Return the task's options, with the row's choices if it has any."""
    choices = row.choices if isinstance(row, Row) else ()
    return replace(task.options, choices=choices) if choices else task.options


def _columns(row: Row) -> dict[str, Any]:
    """Return the values that `{name}` in a question of the command line can refer to."""
    labels = [spec.label for spec in row.marks if spec.label]
    return {
        "id": row.id,
        "image": row.image,
        **({"label": labels[0]} if labels else {}),
        **row.extra,
    }


def _failed_question(
    task: BatchTask, row: Row | BadRow, id: str, text: str, error: Exception
) -> PlannedQuestion:
    """Plan a question that fails. Its request has no key: the image may be unknown."""
    name, revision = task.model
    request = Request(
        id=id,
        key="",
        image=row.image,
        width=None,
        height=None,
        marks=(),
        numbers=task.numbers,
        crop=None,
        question=text,
        model=name,
        revision=revision,
        template=task.template,
        options=_row_options(task, row).to_json(),
        extra=dict(row.extra) if isinstance(row, Row) else {},
    )
    return PlannedQuestion(request, error=error)
