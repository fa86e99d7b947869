"""Many rows: source -> read ahead, marked and seen in threads -> answered in batches -> journal.

The model is opened when the first row needs it; rows that the journal knows are passed by.
"""

import os
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from vipllava_cli.ask import answered, asked_about
from vipllava_cli.engine import GREEDY, Answer, Engine, GenerationOptions, Prompt, View
from vipllava_cli.errors import GenerationError, OutOfMemoryError
from vipllava_cli.files import picture_place, write_picture
from vipllava_cli.journal import Journal
from vipllava_cli.marked import MarkedPicture, PictureFile, read_picture, zoomed
from vipllava_cli.marks import MarkSpec
from vipllava_cli.masks import with_outlines
from vipllava_cli.pictures import square
from vipllava_cli.placing import place_marks
from vipllava_cli.prompts import DEFAULT_TEMPLATE, prepare_question
from vipllava_cli.records import Asked, Record, failure
from vipllava_cli.rows import BadRow, Row, Source

DEFAULT_QUESTION = "What is {1}?"
DEFAULT_QUESTION_UNMARKED = "Describe this image."

READERS = min(4, os.cpu_count() or 1)  # threads that read, decode, draw and resize
AHEAD = 4 * READERS  # rows that each stage may be ahead of the next: their files are in memory
BATCHES_AT_ONCE = 4  # so many batches' rows are looked at together to put like lengths beside

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True)
class Task:
    """What is asked of every row; `model` is the model's name and revision."""

    model: tuple[str, str]
    questions: tuple[str, ...] = ()
    marks: tuple[MarkSpec, ...] = ()
    numbers: bool = False
    zoom: bool = False
    template: str = DEFAULT_TEMPLATE
    options: GenerationOptions = GREEDY
    save_marked: Path | None = None


@dataclass(frozen=True)
class Item:
    """One question of a row: kept from before, copied from a row that asked the same, failed, or
    still to be answered.
    """

    asked: Asked
    kept: bool = False
    copied: dict[str, Any] | None = None
    error: Exception | None = None

    @property
    def waits(self) -> bool:
        return not self.kept and self.copied is None and self.error is None


@dataclass(frozen=True)
class Planned:
    """A row with its questions, and its picture where one of them waits for an answer."""

    id: str
    items: tuple[Item, ...]
    marked: MarkedPicture | None = None
    view: View | None = None
    notes: tuple[str, ...] = ()
    default: str | None = None  # the question that nobody asked


@dataclass
class Summary:
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


class Watcher(Protocol):
    """Is told how a run goes on."""

    def advance(self, summary: Summary, id: str) -> None:
        """A row was done."""
        ...

    def note(self, id: str, text: str) -> None:
        """Something that the user should know of a row."""
        ...


@dataclass
class Run:
    """One run over a source. `size` is how many questions are answered together; None: as many as
    fit into memory. `stop` may be set from outside: what is in flight is finished, then it ends.
    """

    source: Source
    task: Task
    journal: Journal
    open_engine: Callable[[], Engine]
    watcher: Watcher
    size: int | None = None
    fail_fast: bool = False
    stop: threading.Event = field(default_factory=threading.Event)
    summary: Summary = field(default_factory=Summary)
    _engine: Engine | None = None
    _order: list[str] = field(default_factory=list)
    _defaults: set[str] = field(default_factory=set)

    def __call__(self) -> Summary:
        """Answer every row. Raises ModelError, and InputError when the journal cannot be written."""
        start = time.monotonic()
        _file.cache_clear()  # of another run in this process: files change
        with ThreadPoolExecutor(READERS) as pool:
            try:
                self._answer_all(self._views(pool))
            finally:
                pool.shutdown(cancel_futures=True)
        self.summary.seconds = time.monotonic() - start
        if not self.stop.is_set():
            self.summary.others = self.journal.settle(self._order)
            self.summary.finished = True
        return self.summary

    # --- reading ahead -----------------------------------------------------------------------

    def _views(self, pool: ThreadPoolExecutor) -> Iterator[Planned]:
        """The rows in order, each with what the model will see of it."""
        plans = _ahead(
            pool, partial(plan, self.task, self.journal), _numbered(self.task, self.source.rows)
        )
        return _ahead(pool, self._see, self._with_engine(plans))

    def _with_engine(self, plans: Iterable[Planned]) -> Iterator[Planned]:
        for planned in plans:
            if planned.marked and self._engine is None:
                self._engine = self.open_engine()
                self.size = self.size or self._engine.most_together()
            yield planned

    def _see(self, planned: Planned) -> Planned:
        """Decode, draw and resize; the picture itself is let go."""
        marked, engine = planned.marked, self._engine
        if marked is None or engine is None:
            return planned
        try:
            drawn = marked.drawn()
            if self.task.save_marked:
                place = picture_place(self.task.save_marked, planned.id)
                write_picture(drawn, str(place), force=True)
            return replace(planned, marked=None, view=engine.view(square(drawn)))
        except Exception as error:  # one bad row never stops the run
            failed = [replace(item, error=error) if item.waits else item for item in planned.items]
            return replace(planned, marked=None, items=tuple(failed))

    # --- answering ---------------------------------------------------------------------------

    def _answer_all(self, plans: Iterable[Planned]) -> None:
        waiting: list[tuple[Asked, Prompt]] = []
        for planned in plans:
            waiting += self._settled_at_once(planned)
            if self.stop.is_set():
                return
            if len(waiting) >= BATCHES_AT_ONCE * (self.size or 1):
                self._answer_some(waiting)
                waiting = []
        self._answer_some(waiting)

    def _settled_at_once(self, planned: Planned) -> list[tuple[Asked, Prompt]]:
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
                    waiting.append((item.asked, prompt))
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
        if planned.default and planned.default not in self._defaults:
            self._defaults.add(planned.default)
            self.watcher.note(
                planned.id,
                f'no question is given for rows like this: asked "{planned.default}"; --question'
                " asks another",
            )
        return waiting

    def _answer_some(self, waiting: list[tuple[Asked, Prompt]]) -> None:
        """Like lengths together, the questions about one view side by side."""
        for batch in in_batches(waiting, self.size or 1):
            if self.stop.is_set():
                return
            self._answer_batch(batch)

    def _answer_batch(self, batch: Sequence[tuple[Asked, Prompt]]) -> None:
        """One batch; when it does not fit into memory, its halves; when it fails, each row alone."""
        engine = self._engine
        assert engine is not None
        try:
            answers = engine.answer_together([prompt for _, prompt in batch], self.task.options)
        except GenerationError as error:
            # Kept without its traceback, which would keep the memory of what failed.
            failed = type(error)(str(error))
        else:
            self._write(engine, [asked for asked, _ in batch], answers)
            return
        if len(batch) == 1:
            self._fail(batch[0][0], failed)
            return
        halved = isinstance(failed, OutOfMemoryError)
        size = len(batch) // 2 if halved else 1
        for at in range(0, len(batch), size):
            if not self.stop.is_set():
                self._answer_batch(batch[at : at + size])
        if halved and len(batch) == self.size:
            self.size = size  # a full batch did not fit: the next ones will not either

    def _write(self, engine: Engine, asked: Sequence[Asked], answers: Sequence[Answer]) -> None:
        records = [
            answered(one, answer, engine.info) for one, answer in zip(asked, answers, strict=True)
        ]
        self.journal.append([record.to_json() for record in records])
        self.summary.cut += sum(record.finish_reason == "length" for record in records)
        for record in records:
            self.summary.answered += 1
            self.watcher.advance(self.summary, record.asked.id)

    def _fail(self, asked: Asked, error: Exception) -> None:
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


def plan_all(source: Source, task: Task, journal: Journal) -> Iterator[Planned]:
    """What a run would ask, without asking it."""
    return map(partial(plan, task, journal), _numbered(task, source.rows))


# --- one row ---------------------------------------------------------------------------------


def plan(task: Task, journal: Journal, row: Row | BadRow) -> Planned:
    """What a row asks, and what of it the journal knows; its picture is not decoded for that."""
    if isinstance(row, BadRow):
        return Planned(row.id, (_failed(task, row, "", row.error),))
    default = None if row.questions or task.questions else _default(task, row)
    named = list(_named(row.id, row.questions or task.questions or (str(default),)))
    try:
        marked, notes = _marked(task, row)
    except Exception as error:  # one bad row never stops the run
        failed = (_failed(task, replace(row, id=id), text, error) for id, text in named)
        return Planned(row.id, tuple(failed))
    items = []
    for id, question in named:
        try:
            columns = None if row.questions else _columns(row)
            prepared = prepare_question(question, marked.marks, columns)
            items.append(_item(task, journal, row, id, marked, prepared.text))
            notes += prepared.notes
        except Exception as error:  # one bad row never stops the run
            items.append(_failed(task, replace(row, id=id), question, error))
    waits = any(item.waits for item in items)
    return Planned(row.id, tuple(items), marked if waits else None, notes=notes, default=default)


def _item(
    task: Task, journal: Journal, row: Row, id: str, marked: MarkedPicture, question: str
) -> Item:
    asked = asked_about(marked, question, task.model, task.template, task.options)
    asked = replace(asked, id=id, extra=dict(row.extra))
    if journal.is_answered(id, asked.key):
        return Item(asked, kept=True)
    same = journal.same_answer(asked.key)
    if same is None:
        return Item(asked)
    return Item(asked, copied={**same, "id": id, "image": row.image, "extra": dict(row.extra)})


def _marked(task: Task, row: Row) -> tuple[MarkedPicture, tuple[str, ...]]:
    file = _file(row.image)
    specs = with_outlines((*row.marks, *task.marks), file.size)
    placed = place_marks(specs, *file.size)
    marked = MarkedPicture(file, placed.marks, task.numbers)
    return (zoomed(marked) if task.zoom else marked), placed.notes


@lru_cache(maxsize=2)  # the regions of one picture follow each other
def _file(image: str) -> PictureFile:
    return read_picture(image)


def _columns(row: Row) -> dict[str, Any]:
    """What `{name}` in a question of the command line may stand for."""
    labels = [spec.label for spec in row.marks if spec.label]
    return {
        "id": row.id,
        "image": row.image,
        **({"label": labels[0]} if labels else {}),
        **row.extra,
    }


def _default(task: Task, row: Row) -> str:
    return DEFAULT_QUESTION if row.marks or task.marks else DEFAULT_QUESTION_UNMARKED


def _named(id: str, questions: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each question with the id of its record."""
    for number, question in enumerate(questions, 1):
        yield (f"{id}:q{number}" if len(questions) > 1 else id), question


def _failed(task: Task, row: Row | BadRow, question: str, error: Exception) -> Item:
    name, revision = task.model
    asked = Asked(
        id=row.id,
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
        options=asdict(task.options),
        extra=dict(row.extra) if isinstance(row, Row) else {},
    )
    return Item(asked, error=error)


# --- order and pace --------------------------------------------------------------------------


def _numbered(task: Task, rows: Iterable[Row | BadRow]) -> Iterator[Row | BadRow]:
    """The rows with ids that are all different: the second `a.png` is `a.png~2`."""
    taken: set[str] = set()
    for row in rows:
        id, number = row.id, 1
        while not taken.isdisjoint(_ids(task, row, id)):
            number += 1
            id = f"{row.id}~{number}"
        taken.update(_ids(task, row, id))
        yield row if id == row.id else replace(row, id=id)


def _ids(task: Task, row: Row | BadRow, id: str) -> list[str]:
    """The ids of a row's records."""
    questions = (row.questions if isinstance(row, Row) else ()) or task.questions or ("",)
    return [named for named, _ in _named(id, questions)]


def _ahead(pool: ThreadPoolExecutor, work: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """`work` over the items in their order, at most AHEAD of them begun before they are wanted."""
    begun: deque[Future[U]] = deque()
    for item in items:
        begun.append(pool.submit(work, item))
        if len(begun) >= AHEAD:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()


def in_batches(
    waiting: Sequence[tuple[Asked, Prompt]], size: int
) -> Iterator[list[tuple[Asked, Prompt]]]:
    """Batches of at most `size`: like lengths together, and the questions about one view in one batch
    where they fit.
    """
    groups: dict[View, list[tuple[Asked, Prompt]]] = {}
    for asked, prompt in waiting:
        groups.setdefault(prompt.view, []).append((asked, prompt))
    batch: list[tuple[Asked, Prompt]] = []
    for group in sorted(groups.values(), key=_longest):
        if batch and len(batch) + len(group) > size:
            yield batch
            batch = []
        batch = batch + group
        while len(batch) >= size:
            yield batch[:size]
            batch = batch[size:]
    if batch:
        yield batch


def _longest(group: Sequence[tuple[Asked, Prompt]]) -> int:
    return max(len(prompt.ids) for _, prompt in group)
