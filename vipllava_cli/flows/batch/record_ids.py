"""The ids of a run's records: equal in every run, and never that of an answer to another request.

A row's own id is the first choice. If the journal has an answer to another request there, the
row takes the variant that holds the answer to its request: `a.png~2`, `a.png~3`. If there is none,
the earlier answer would be lost, and `BatchTask.on_conflict` decides.

Requests are compared without the image: marks are resolved on the size in the record. So no image
is read here, and a changed image is no conflict.
"""

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.errors import VipllavaError
from vipllava_cli.flows.batch.conflicts import FIELDS, Conflict, conflict_error
from vipllava_cli.flows.batch.task import BatchTask, OnConflict, columns_for_question
from vipllava_cli.flows.requests import request_conditions
from vipllava_cli.images.source import FIRST_FRAME, parse_source
from vipllava_cli.marks.marked_image import crop_around
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark, MarkSpec
from vipllava_cli.sources.rows import BadRow, Row
from vipllava_cli.storage.journal import Journal

MAX_SIZES = 16  # image sizes among the records of one id that a row is compared at

Conditions = Mapping[str, Any]
Size = tuple[int, int]


class NumberedRow(NamedTuple):
    """A row with an id of its own, and an id for the record of each of its questions."""

    row: Row | BadRow
    record_ids: Sequence[str]


class Family(NamedTuple):
    """What the variants of an id have in common: `a.png~2:q1` is of the family `a.png`, `:q1`."""

    base: str
    question: str

    def variant(self, number: int) -> str:
        """Return the id with this number; the first has none."""
        return f"{self.base}{f'~{number}' if number > 1 else ''}{self.question}"


def with_record_ids(
    task: BatchTask, rows: Iterable[Row | BadRow], journal: Journal
) -> Iterator[NumberedRow]:
    """Give each row and each of its records an id. Raises InputError for a conflict to refuse."""
    record_ids = RecordIds(task, journal)
    return map(record_ids.assign, rows)


def check_conflicts(task: BatchTask, rows: Iterable[Row | BadRow], journal: Journal) -> None:
    """Check that a run over these rows replaces no answer to another request. Raises InputError.

    Reads no image. Rows in another order, more rows and fewer rows are no conflict.
    """
    record_ids = RecordIds(replace(task, on_conflict=OnConflict.keep_both), journal)
    for row in rows:
        record_ids.assign(row)
    conflicts = record_ids.unresolved_conflicts()
    if conflicts:
        raise conflict_error(journal.path, conflicts[0], len(conflicts))


class RecordIds:
    """Assigns ids to the records of rows, one row after the other. Takes linear time."""

    def __init__(self, task: BatchTask, journal: Journal) -> None:
        self._task = task
        self._journal = journal
        self._conflicts: list[Conflict] = []
        # The ids that rows have by themselves, apart from `_moved` ones, and the variants given out.
        self._taken: set[str] = set()
        self._moved: set[str] = set()
        self._variants: set[str] = set()
        self._row_numbers: dict[tuple[str, int], int] = defaultdict(lambda: 1)  # the last one tried
        self._variant_numbers: dict[Family, int] = defaultdict(lambda: 2)  # the next one to try
        self._numbered: Mapping[Family, Sequence[str]] | None = None
        self._index = lru_cache(maxsize=64)(self._read_family)
        # Adjacent rows often have equal marks, sizes and questions.
        self._resolve = lru_cache(maxsize=64)(self._resolve_marks)
        self._conditions_of = lru_cache(maxsize=64)(self._make_conditions)

    def assign(self, row: Row | BadRow) -> NumberedRow:
        """Return the row with its ids. Raises InputError for a conflict to refuse."""
        texts = self._task.texts(row)
        row = self._with_unique_id(row, len(texts))
        if isinstance(row, BadRow):
            return NumberedRow(row, (row.id,))
        ids = record_ids(row.id, len(texts))
        if self._journal.has_answers:
            ids = [self._claim(row, id, text) for id, text in zip(ids, texts, strict=True)]
        return NumberedRow(row, ids)

    def unresolved_conflicts(self) -> Sequence[Conflict]:
        """Return the conflicts so far whose earlier answer belongs to no other row either."""
        return [conflict for conflict in self._conflicts if conflict.id not in self._variants]

    def _with_unique_id(self, row: Row | BadRow, count: int) -> Row | BadRow:
        """Give a row an id of its own: the second `a.png` becomes `a.png~2`."""
        number = self._row_numbers[row.id, count]
        id = row.id if number == 1 else f"{row.id}~{number}"
        while not self._taken.isdisjoint(record_ids(id, count)):
            number += 1
            id = f"{row.id}~{number}"
        self._row_numbers[row.id, count] = number
        self._taken.update(record_ids(id, count))
        return row if id == row.id else replace(row, id=id)

    # --- answers in the journal --------------------------------------------------------------

    def _claim(self, row: Row, id: str, text: str) -> str:
        """Return the id for a record of a row, and take it. `id` is the first choice."""
        is_free = id not in self._variants
        if is_free and not self._journal.has_answer(id):
            return id
        record = self._journal.find_record(id) if is_free else None
        requested = self._conditions(row, text, _size(record)) if record else None
        is_answer = record is not None and requested in (None, _recorded(record))
        if record and is_answer and _file_name(record.get("image")) == _file_name(row.image):
            return id
        variant = self._find_variant(row, id, text)
        is_replaced = is_free and self._task.on_conflict is OnConflict.replace
        if variant is None and (is_answer or is_replaced):
            return id
        if variant is None:
            if record and requested:
                self._add_conflict(Conflict(id, _recorded(record), requested))
            variant = self._new_variant(id)
        self._moved.add(id)
        self._variants.add(variant)
        return variant

    def _add_conflict(self, conflict: Conflict) -> None:
        if self._task.on_conflict is OnConflict.refuse:
            raise conflict_error(self._journal.path, conflict)
        self._conflicts.append(conflict)

    def _find_variant(self, row: Row, id: str, text: str) -> str | None:
        """Find an id of the same family whose record answers the row's request, else None.

        Rows that share an id may have different images: the name of the file has to be equal.
        """
        for size, ids in self._index(family(id)).items():
            conditions = self._conditions(row, text, size)
            for variant in ids.get(_hash(conditions, row.image), ()) if conditions else ():
                if not self._is_claimed(variant):
                    return variant
        return None

    def _is_claimed(self, id: str) -> bool:
        return id in self._variants or (id in self._taken and id not in self._moved)

    def _new_variant(self, id: str) -> str:
        """Return the next variant that neither a row of this run nor the journal has."""
        members = family(id)
        number = self._variant_numbers[members]
        while self._journal.has_answer(members.variant(number)) or self._is_claimed(
            members.variant(number)
        ):
            number += 1
        self._variant_numbers[members] = number + 1
        return members.variant(number)

    def _read_family(self, members: Family) -> Mapping[Size, Mapping[int, Sequence[str]]]:
        """Index the answers of a family: by the size of the image, then by the hash of the request."""
        if self._numbered is None:
            self._numbered = group_by_family(id for id in self._journal.ids() if "~" in id)
        index: dict[Size, dict[int, list[str]]] = {}
        for id in (members.variant(1), *self._numbered.get(members, ())):
            record = self._journal.find_record(id)
            size = _size(record) if record else None
            if record and size and (size in index or len(index) < MAX_SIZES):
                hashes = index.setdefault(size, {})
                key = _hash(_recorded(record), record.get("image"))
                hashes.setdefault(key, []).append(id)
        return index

    def _conditions(self, row: Row, text: str, size: Size | None) -> Conditions | None:
        """Return what the row asks about an image of this size.

        Returns None if that is an error, or if the size is unknown.
        """
        if size is None:
            return None
        specs = self._task.specs(row)
        try:
            marks = self._resolve(specs, size)
            question = prepare_question(text, marks, columns_for_question(row)).text
            frame = self._task.frame_of(row.image)
        except VipllavaError:  # the row fails, and the journal keeps its answer
            return None
        return self._conditions_of(specs, size, frame, question, self._task.row_options(row))

    def _resolve_marks(self, specs: tuple[MarkSpec, ...], size: Size) -> tuple[Mark, ...]:
        return tuple(resolve_marks(specs, size, style=self._task.style).marks)

    def _make_conditions(
        self,
        specs: tuple[MarkSpec, ...],
        size: Size,
        frame: int,
        question: str,
        options: GenerationOptions,
    ) -> Conditions:
        task, marks = self._task, self._resolve(specs, size)
        conditions = request_conditions(
            marks,
            numbers=task.numbers,
            crop=crop_around(marks, size) if task.zoom and marks else None,
            question=question,
            model=task.model,
            template=task.template,
            options=options,
        )
        return {**{name: _plain(value) for name, value in conditions.items()}, "frame": frame}


# --- ids -------------------------------------------------------------------------------------


def record_ids(id: str, count: int) -> list[str]:
    """Return the ids of a row's records: one for each of its questions."""
    return [id] if count == 1 else [f"{id}:q{number}" for number in range(1, count + 1)]


_ID = re.compile(r"(?P<base>.*?)(?:~(?P<number>\d+))?(?P<question>:q\d+)?", re.DOTALL)


def family(id: str) -> Family:
    """Return the family of an id."""
    match = _ID.fullmatch(id)
    assert match  # `base` matches any text
    return Family(match["base"], match["question"] or "")


def group_by_family(ids: Iterable[str]) -> Mapping[Family, Sequence[str]]:
    """Group ids by family."""
    groups: dict[Family, list[str]] = {}
    for id in ids:
        groups.setdefault(family(id), []).append(id)
    return groups


def with_siblings(ids: Sequence[str], journal: Journal) -> list[str]:
    """Add the journal's other answers of the same families to ids, each beside its first relative."""
    listed = set(ids)
    siblings: dict[str, list[str]] = {}
    for id in journal.ids():
        if id not in listed and journal.has_answer(id):
            siblings.setdefault(family(id).base, []).append(id)
    if not siblings:
        return list(ids)
    ordered: list[str] = []
    for id in ids:
        ordered += sorted([id, *siblings.pop(family(id).base, ())], key=_number)
    return ordered


def _number(id: str) -> int:
    match = _ID.fullmatch(id)
    return int(match["number"] or 1) if match else 1


# --- requests --------------------------------------------------------------------------------


def _recorded(record: Mapping[str, Any]) -> Conditions:
    """Return what decides the answer of a record, apart from the image: fields, and the frame."""
    frame = parse_source(str(record.get("image"))).frame or FIRST_FRAME
    return {**{name: record.get(name) for name in FIELDS}, "frame": frame}


def _size(record: Mapping[str, Any]) -> Size | None:
    """Return the width and height in a record, None if it has none."""
    size = record.get("width"), record.get("height")
    return size if all(type(side) is int and side > 0 for side in size) else None  # type: ignore[return-value]


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: lists in place of tuples."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _hash(conditions: Conditions, image: object) -> int:
    return hash((json.dumps(conditions, sort_keys=True), _file_name(image)))


def _file_name(image: object) -> str:
    return os.path.basename(parse_source(str(image)).location)
