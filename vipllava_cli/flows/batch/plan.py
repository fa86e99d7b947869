"""A row -> its questions, each kept from before, copied, failed, or still to be answered.

No image is decoded for that: what the journal knows costs a file's reading and a hash.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from vipllava_cli.engine.base import GREEDY, GenerationOptions, ModelView
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.engine.prompts.templates import DEFAULT_TEMPLATE
from vipllava_cli.errors import InputError
from vipllava_cli.flows.ask import make_request
from vipllava_cli.marks.marked_image import (
    ImageFile,
    MarkedImage,
    open_image,
    zoom_in,
)
from vipllava_cli.marks.resolve import NO_STYLE, resolve_marks
from vipllava_cli.marks.types import MarkSpec, MarkStyle
from vipllava_cli.sources.rows import BadRow, Row, Source
from vipllava_cli.storage.journal import Journal
from vipllava_cli.storage.records import Request

DEFAULT_QUESTION = "What is {1}?"
DEFAULT_QUESTION_UNMARKED = "Describe this image."


@dataclass(frozen=True)
class BatchTask:
    """What is asked of every row; `model` is the model's name and revision."""

    model: tuple[str, str]
    questions: tuple[str, ...] = ()
    marks: tuple[MarkSpec, ...] = ()
    style: MarkStyle = NO_STYLE
    numbers: bool = False
    zoom: bool = False
    template: str = DEFAULT_TEMPLATE
    options: GenerationOptions = GREEDY
    save_marked: Path | None = None


@dataclass(frozen=True)
class PlannedQuestion:
    """One question of a row: kept from before, copied from a row that asked the same, failed, or
    still to be answered.
    """

    asked: Request
    options: GenerationOptions = GREEDY
    kept: bool = False
    copied: dict[str, Any] | None = None
    error: Exception | None = None

    @property
    def waits(self) -> bool:
        return not self.kept and self.copied is None and self.error is None


@dataclass(frozen=True)
class PlannedRow:
    """A row with its questions; where one of them waits for an answer, with its image, and then
    with what the model will see of that.
    """

    id: str
    items: tuple[PlannedQuestion, ...]
    marked: MarkedImage | None = None
    view: ModelView | None = None
    notes: tuple[str, ...] = ()
    default: str | None = None  # the question that nobody asked

    def failed(self, error: Exception) -> "PlannedRow":
        """The same with every question that waits failed."""
        items = [replace(item, error=error) if item.waits else item for item in self.items]
        return replace(self, marked=None, items=tuple(items))


class Planner:
    """What each row asks, and what of it the journal knows. May be called from several threads."""

    def __init__(self, task: BatchTask, journal: Journal) -> None:
        self.task = task
        self.journal = journal
        self._file = lru_cache(maxsize=2)(_read)  # an image's regions follow each other

    def __call__(self, row: Row | BadRow) -> PlannedRow:
        task = self.task
        if isinstance(row, BadRow):
            return PlannedRow(row.id, (_failed(task, row, row.id, "", row.error),))
        default = None if row.questions or task.questions else _default(task, row)
        named = list(_named(row.id, row.questions or task.questions or (str(default),)))
        try:
            marked, notes = self._marked(row)
        except Exception as error:  # one bad row never stops the run
            return PlannedRow(
                row.id, tuple(_failed(task, row, id, text, error) for id, text in named)
            )
        items = []
        for id, question in named:
            try:
                columns = None if row.questions else _columns(row)
                prepared = prepare_question(question, marked.marks, columns)
                items.append(self._item(row, id, marked, prepared.text))
                notes += prepared.notes
            except Exception as error:  # one bad row never stops the run
                items.append(_failed(task, row, id, question, error))
        waits = any(item.waits for item in items)
        return PlannedRow(
            row.id, tuple(items), marked if waits else None, notes=notes, default=default
        )

    def _marked(self, row: Row) -> tuple[MarkedImage, tuple[str, ...]]:
        file = self._file(row.image)
        specs = (*row.marks, *self.task.marks)
        resolved = resolve_marks(specs, file.size, style=self.task.style)
        marked = MarkedImage(file, resolved.marks, self.task.numbers)
        return (zoom_in(marked) if self.task.zoom else marked), resolved.notes

    def _item(self, row: Row, id: str, marked: MarkedImage, question: str) -> PlannedQuestion:
        task, options = self.task, _options(self.task, row)
        asked = make_request(marked, question, task.model, task.template, options)
        asked = replace(asked, id=id, extra=dict(row.extra))
        if self.journal.is_answered(id, asked.key):
            return PlannedQuestion(asked, options, kept=True)
        same = self.journal.find_answer(asked.key)
        if same is None:
            return PlannedQuestion(asked, options)
        copied = {**same, "id": id, "image": row.image, "extra": dict(row.extra)}
        return PlannedQuestion(asked, options, copied=copied)


def _read(image: str) -> ImageFile:
    """The file of a row's image. A pipe or a device, which might give bytes for ever or never, is
    refused: nobody watches a batch.
    """
    if os.path.exists(image) and not (os.path.isfile(image) or os.path.isdir(image)):
        raise InputError(f"{image} is a pipe or a device: expected the file of an image")
    return open_image(image)


def plan_all(source: Source, task: BatchTask, journal: Journal) -> Iterator[PlannedRow]:
    """What a run would ask, without asking it."""
    return map(Planner(task, journal), with_unique_ids(task, source.rows))


def with_unique_ids(task: BatchTask, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """The rows with ids that are all different: the second `a.png` is `a.png~2`."""
    taken: set[str] = set()
    for row in rows:
        id, number = row.id, 1
        while not taken.isdisjoint(_ids(task, row, id)):
            number += 1
            id = f"{row.id}~{number}"
        taken.update(_ids(task, row, id))
        yield row if id == row.id else replace(row, id=id)


def _ids(task: BatchTask, row: Row | BadRow, id: str) -> list[str]:
    """The ids of a row's records."""
    questions = (row.questions if isinstance(row, Row) else ()) or task.questions or ("",)
    return [named for named, _ in _named(id, questions)]


def _named(id: str, questions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each question with the id of its record."""
    for number, question in enumerate(questions, 1):
        yield (f"{id}:q{number}" if len(questions) > 1 else id), question


def _default(task: BatchTask, row: Row) -> str:
    return DEFAULT_QUESTION if row.marks or task.marks else DEFAULT_QUESTION_UNMARKED


def _options(task: BatchTask, row: Row | BadRow) -> GenerationOptions:
    """The task's, with the row's own choices if it has some."""
    choices = row.choices if isinstance(row, Row) else ()
    return replace(task.options, choices=choices) if choices else task.options


def _columns(row: Row) -> dict[str, Any]:
    """What `{name}` in a question of the command line may stand for."""
    labels = [spec.label for spec in row.marks if spec.label]
    return {
        "id": row.id,
        "image": row.image,
        **({"label": labels[0]} if labels else {}),
        **row.extra,
    }


def _failed(
    task: BatchTask, row: Row | BadRow, id: str, question: str, error: Exception
) -> PlannedQuestion:
    name, revision = task.model
    asked = Request(
        id=id,
        key="",
        image=row.image,
        width=None,
        height=None,
        marks=(),
        numbers=task.numbers,
        crop=None,
        question=question,
        model=name,
        revision=revision,
        template=task.template,
        options=_options(task, row).to_json(),
        extra=dict(row.extra) if isinstance(row, Row) else {},
    )
    return PlannedQuestion(asked, error=error)
