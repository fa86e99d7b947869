"""The ids of a run's records: equal in every run, and never that of an answer to another request.

A row's own id is the first choice. If the journal has an answer to another request there, the
row takes the variant that holds the answer to its request: `a.png~2`, `a.png~3`. If there is none,
the earlier answer would be lost, and `BatchTask.on_conflict` decides.

Marks are resolved on the size in the record, so that most images are not read here. The image of a
row is that of a record if it has the same path, even with new content, or another path and the same
content: a folder may move. Any other image is another request.
"""

import re
from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache, lru_cache
from itertools import islice
from typing import Any, NamedTuple

from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.engine.prompts.references import MarkNames
from vipllava_cli.errors import VipllavaError
from vipllava_cli.flows.batch.conflicts import FIELDS, Conflict, conflict_error
from vipllava_cli.flows.batch.image_files import open_regular_file
from vipllava_cli.flows.batch.recorded_requests import (
    Conditions,
    Size,
    as_json,
    hash_of,
    image_location,
    key_of,
    recorded_size,
)
from vipllava_cli.flows.batch.task import BatchTask, OnConflict
from vipllava_cli.flows.referring import draws_numbers
from vipllava_cli.flows.requests import OPTIONAL_FIELDS, request_conditions
from vipllava_cli.images.source import FIRST_FRAME, parse_source
from vipllava_cli.marks.marked_image import ImageFile, crop_around
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark, MarkSpec, shift_mark
from vipllava_cli.sources.rows import BadRow, Row
from vipllava_cli.storage.journal import Journal

_MAX_SIZES = 8  # of one image in the journal that a row is compared at


class FamilyAnswers(NamedTuple):
    """The ids of a family's answers: by location and size of the image, then by request; and by key.

    Ids that rows have claimed leave the deques, so that equal requests do not walk over them again.
    """

    by_image: Mapping[str, Mapping[Size, Mapping[int, deque[str]]]]
    by_key: Mapping[str, deque[str]]


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

    Rows in another order, more rows and fewer rows are no conflict.
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
        self._index = cache(self._read_family)  # each answer is in one family
        self._open_file = lru_cache(maxsize=1)(open_regular_file)
        # Adjacent rows often have equal marks, sizes and questions.
        self._resolve = lru_cache(maxsize=64)(self._resolve_marks)
        self._conditions_of = lru_cache(maxsize=64)(self._make_conditions)
        self._last_asked: tuple[Row | None, str, Size] = (None, "", (0, 0))
        self._last_conditions: Conditions | None = None
        self._locate = lru_cache(maxsize=64)(image_location)

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
        """Return the conflicts that would lose an answer: no other row of the run keeps it."""
        return [conflict for conflict in self._conflicts if conflict.id not in self._variants]

    def _with_unique_id(self, row: Row | BadRow, count: int) -> Row | BadRow:
        """Give a row an id of its own: the second `a.png` becomes `a.png~2`."""
        number = self._row_numbers[row.id, count]
        id = row.id if number == 1 else f"{row.id}~{number}"
        while not self._taken.isdisjoint(iter_record_ids(id, count)):
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
        requested = self._requested(row, text, record) if record else None
        if record and requested in (None, self._recorded(record)):
            return id
        variant = self._find_variant(row, id, text)
        replaces = variant is None and is_free and self._task.on_conflict is OnConflict.replace
        if replaces or variant == id:
            return id
        if variant is None:
            if record and requested:
                self._add_conflict(Conflict(id, self._recorded(record), requested))
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

        Records about the image at the row's path go first, then those about the same content.
        """
        answers = self._index(family(id))
        location = self._locate(row.image)
        for size, ids in islice(answers.by_image.get(location, {}).items(), _MAX_SIZES):
            conditions = self._conditions(row, text, size)
            variant = self._first_free(ids.get(hash_of(conditions)), id) if conditions else None
            if variant:
                return variant
        if not answers.by_image.keys() - {location}:
            return None
        file = self._open(row)
        conditions = self._conditions(row, text, file.size) if file else None
        key = key_of(conditions, file.fingerprint) if file and conditions else ""
        return self._first_free(answers.by_key.get(key), id, is_own_free=True)

    def _first_free(
        self, ids: deque[str] | None, own: str, *, is_own_free: bool = False
    ) -> str | None:
        """Return the first id that no row has claimed, and drop the claimed ones before it.

        `own` is the id of the row that asks. It stays: another row may take it if this row moves.
        """
        has_own, found = False, None
        while ids and found is None:
            if ids[0] == own and own not in self._variants:
                if is_own_free:
                    found = own
                    break
                has_own = True
                ids.popleft()
            elif self._is_claimed(ids[0]):
                ids.popleft()
            else:
                found = ids[0]
        if has_own and ids is not None:
            ids.appendleft(own)
        return found

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

    def _read_family(self, members: Family) -> FamilyAnswers:
        """Index the answers of a family."""
        if self._numbered is None:
            self._numbered = group_by_family(id for id in self._journal.ids() if "~" in id)
        by_image: dict[str, dict[Size, dict[int, deque[str]]]] = {}
        by_key: dict[str, deque[str]] = {}
        for id in (members.variant(1), *self._numbered.get(members, ())):
            record = self._journal.find_record(id)
            size = recorded_size(record) if record else None
            if record and size:
                recorded = self._recorded(record)
                sizes = by_image.setdefault(recorded["image"], {})
                sizes.setdefault(size, {}).setdefault(hash_of(recorded), deque()).append(id)
                by_key.setdefault(record["key"], deque()).append(id)
        return FamilyAnswers(by_image, by_key)

    def _requested(self, row: Row, text: str, record: Mapping[str, Any]) -> Conditions | None:
        """Return what the row asks, to compare it with a record. None if that is an error."""
        size = recorded_size(record)
        if size is None:
            return None
        requested = self._conditions(row, text, size)
        if requested is None:  # perhaps the image has another size now, and the marks fit
            file = self._open(row)
            requested = self._conditions(row, text, file.size) if file else None
        return requested

    def _open(self, row: Row) -> ImageFile | None:
        """Read the image of a row. Returns None if it is not readable."""
        try:
            return self._open_file(row.image, self._task.frame, self._task.window)
        except VipllavaError:
            return None

    def _conditions(self, row: Row, text: str, size: Size) -> Conditions | None:
        """Return what the row asks about an image of this size. Returns None if that is an error."""
        last_row, *last = self._last_asked
        if last_row is not row or last != [text, size]:  # often asked twice in a row
            self._last_conditions = self._compute_conditions(row, text, size)
            self._last_asked = row, text, size
        return self._last_conditions

    def _compute_conditions(self, row: Row, text: str, size: Size) -> Conditions | None:
        specs = self._task.specs(row)
        try:
            marks = self._resolve(specs, size)
            names = self._names(marks, size)
            question = prepare_question(text, marks, self._task.columns(row), names).text
            numbers = draws_numbers(
                self._task.reference, self._task.texts(row), marks, numbers=self._task.numbers
            )
            frame = self._task.frame_of(row.image)
            image = self._locate(row.image)
        except VipllavaError:  # the row fails, and the journal keeps its answer
            return None
        options = self._task.row_options(row)
        conditions = self._conditions_of(marks, size, frame, question, options, numbers)
        return {**conditions, "image": image}

    def _names(self, marks: tuple[Mark, ...], size: Size) -> MarkNames:
        """Return the words for marks on an image of this size, or on its crop."""
        task, crop = self._task, self._crop(marks, size)
        if crop is not None:
            marks = tuple(shift_mark(mark, -crop[0], -crop[1]) for mark in marks)
            size = crop[2] - crop[0], crop[3] - crop[1]
        return MarkNames(marks, size, task.reference, bool(task.options.fields))

    def _crop(self, marks: tuple[Mark, ...], size: Size) -> tuple[int, int, int, int] | None:
        return crop_around(marks, size) if self._task.zoom and marks else None

    def _recorded(self, record: Mapping[str, Any]) -> Conditions:
        """Return what decides the answer of a record: fields, the frame, and where the image is."""
        image = str(record.get("image"))
        fields = {name: record.get(name) for name in FIELDS}
        frame = parse_source(image).frame or FIRST_FRAME
        return {**fields, "frame": frame, "image": self._locate(image)}

    def _resolve_marks(self, specs: tuple[MarkSpec, ...], size: Size) -> tuple[Mark, ...]:
        return tuple(resolve_marks(specs, size, style=self._task.style).marks)

    def _make_conditions(
        self,
        marks: tuple[Mark, ...],
        size: Size,
        frame: int,
        question: str,
        options: GenerationOptions,
        numbers: bool,
    ) -> Conditions:
        task = self._task
        conditions = request_conditions(
            marks,
            numbers=numbers,
            crop=self._crop(marks, size),
            question=question,
            model=task.model,
            template=task.template,
            options=options,
            window=task.window,
            style=task.reference.style,
        )
        return {**dict.fromkeys(OPTIONAL_FIELDS), **as_json(conditions), "frame": frame}


# --- ids -------------------------------------------------------------------------------------


def record_ids(id: str, count: int) -> list[str]:
    """Return the ids of a row's records: one for each of its questions."""
    return list(iter_record_ids(id, count))


def iter_record_ids(id: str, count: int) -> Iterator[str]:
    """Iterate over the ids of a row's records."""
    if count == 1:
        return iter((id,))
    return (f"{id}:q{number}" for number in range(1, count + 1))


_ID = re.compile(r"(?P<base>.*?)(?:~(?P<number>\d+))?(?P<question>:q\d+)?", re.DOTALL)


def family(id: str) -> Family:
    """Return the family of an id."""
    match = _ID.fullmatch(id)
    assert match  # noqa: S101 - `base` matches any text
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
