"""Files of records side by side: which answers changed, which became right or wrong, and how likely
chance alone would do that.

Rows are the same by their ids, and only those that every file has are compared. A row that failed has
no answer, and counts as wrong.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.evals.judges.grades import AND, OR
from vipllava_cli.flows.evals.judges.grading import holds
from vipllava_cli.flows.evals.metrics import ScoreCounts
from vipllava_cli.storage.files import STANDARD_INPUT, same_file
from vipllava_cli.storage.record_file import Json, RecordFile

TRUTH_COLUMNS = ("wanted", "truth", "answer", "expected")  # columns that may hold what is right


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """What a record says that is compared; `asked` is the same for the same question, marks and part of
    the image, `truths` are by the names of their columns.
    """

    asked: int
    answer: str | None
    truths: Mapping[str, str]
    model: str


@dataclass(frozen=True)
class ResultFile:
    """A file's rows by their ids, and the columns that they have; `skipped_note` is a line about what in it
    was no record.
    """

    path: Path
    name: str
    rows: Mapping[str, ComparedRow]
    columns: Collection[str]
    skipped_note: str

    def answer(self, id: str) -> str | None:
        """None for a row that failed."""
        return self.rows[id].answer

    @property
    def model(self) -> str:
        """Which models answered."""
        return ", ".join(dict.fromkeys(row.model for row in self.rows.values() if row.model))


@dataclass(frozen=True)
class Change:
    """The ids of rows whose answers differ between the first file and another; of them, where there is
    a truth, those that were lost (right, then wrong) and won, and how likely at least as uneven a
    split of lost and won is by chance alone.
    """

    file: ResultFile
    changed: Sequence[str]
    regressions: Sequence[str]
    fixes: Sequence[str]
    p_value: float | None


@dataclass(frozen=True)
class Comparison:
    """Files, the ids that all of them have, in the first one's order, the column that holds the truth,
    None where none does, and the truth of every row that has one.
    """

    files: Sequence[ResultFile]
    ids: Sequence[str]
    column: str | None
    truths: Mapping[str, str]

    @property
    def first(self) -> ResultFile:
        return self.files[0]

    def is_correct(self, file: ResultFile, id: str) -> bool:
        """For a row that has a truth."""
        return is_correct(file.answer(id), self.truths[id])

    def failed(self, file: ResultFile) -> int:
        return sum(file.answer(id) is None for id in self.ids)

    def scores(self, file: ResultFile) -> ScoreCounts:
        """Of the rows that have a truth."""
        scores = ScoreCounts()
        for id in self.truths:
            scores.add(float(self.is_correct(file, id)), failed=file.answer(id) is None)
        return scores

    @cached_property
    def changes(self) -> Sequence[Change]:
        """Of every further file against the first."""
        return [self._change(file) for file in self.files[1:]]

    def notes(self) -> Iterator[str]:
        """A line for each thing that takes something from what is compared."""
        for file in self.files:
            if file.skipped_note:
                yield file.skipped_note
            alone = len(file.rows) - len(self.ids)
            if alone:
                yield f"{alone} of the {len(file.rows)} rows of {file.name} are not in all files"
        asked = sum(len({file.rows[id].asked for file in self.files}) > 1 for id in self.ids)
        if asked:
            yield f"{asked} of {len(self.ids)} rows have other questions or marks in another file"
        if self.column is None:
            yield "no row says what is right: --truth COLUMN names where the source does"
        elif len(self.truths) < len(self.ids):
            without = len(self.ids) - len(self.truths)
            yield f"{without} of {len(self.ids)} rows do not say what is right: they count as neither"

    def _change(self, file: ResultFile) -> Change:
        before, after = self.first, file
        changed = [id for id in self.ids if before.answer(id) != after.answer(id)]
        flipped = [
            id
            for id in changed
            if id in self.truths and self.is_correct(before, id) != self.is_correct(after, id)
        ]
        regressions = [id for id in flipped if self.is_correct(before, id)]
        fixes = [id for id in flipped if self.is_correct(after, id)]
        p_value = mcnemar_p_value(len(regressions), len(fixes)) if self.column else None
        return Change(file, changed, regressions, fixes, p_value)


def compare(paths: Sequence[Path], column: str | None = None) -> Comparison:
    """Read the files and put them side by side; the truth is in this column of their rows, or in one
    of the usual ones, if any row has it.

    Raises UsageError for one file or the same one twice, InputError for a file that holds no records
    or an id twice, for files without a common row, and for a truth that is not there or not the same.
    """
    _check(paths)
    files = [_read(path, name, column) for path, name in zip(paths, _names(paths), strict=True)]
    first, *others = files
    ids = [id for id in first.rows if all(id in file.rows for file in others)]
    if not ids:
        one = next(id for id in first.rows if not all(id in file.rows for file in others))
        other = next(file for file in others if one not in file.rows)
        raise InputError(
            f"no row is in all files: {first.name} has ids like {short_repr(one)}, {other.name} like"
            f" {short_repr(next(iter(other.rows)))}; compare answers to the same source"
        )
    found = column or _usual(files, ids)
    truths = dict(_truths(files, ids, found)) if found else {}
    if column and not truths:
        known = dict.fromkeys(name for file in files for name in file.columns)
        raise InputError(
            f"no row that is in all files has a column {short_repr(column)} with a truth: their columns are"
            f" {', '.join(map(short_repr, known)) or 'none'}"
        )
    return Comparison(files, ids, found, truths)


def is_correct(answer: str | None, truth: str) -> bool:
    """The whole answer is the truth, but for case, spaces and a full stop at its end; of a truth with
    `<AND>` or `<OR>`, the words stand in the answer.
    """
    if answer is None:
        return False
    if AND in truth or OR in truth:
        return holds(answer, truth)
    return _plain(answer) == _plain(truth)


def mcnemar_p_value(regressions: int, fixes: int) -> float:
    """The exact test of McNemar (1947), two-sided: how likely a fair coin falls so unevenly."""
    flipped = regressions + fixes
    ways = tail = 1  # of so many heads; of so many or fewer
    for heads in range(min(regressions, fixes)):
        ways = ways * (flipped - heads) // (heads + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << flipped))


# --- reading -----------------------------------------------------------------------------------


def _check(paths: Sequence[Path]) -> None:
    if len(paths) < 2:
        raise UsageError(
            "give two files of results or more: vipllava compare before.jsonl after.jsonl"
        )
    if STANDARD_INPUT in map(str, paths):
        raise UsageError("compare reads files, and standard input is none: write it into one")
    for at, path in enumerate(paths):
        for other in paths[:at]:
            if same_file(path, other):
                raise UsageError(
                    f"{other} and {path} are the same file: give another to compare with"
                )


def _names(paths: Sequence[Path]) -> Sequence[str]:
    """The names of the files, or as they were given where these do not tell them apart."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _read(path: Path, name: str, column: str | None) -> ResultFile:
    """Raises InputError."""
    columns: dict[str, None] = {}
    results = RecordFile(path, partial(_told, column, columns), name)
    rows: dict[str, ComparedRow] = {}
    for id, told in results:
        if id in rows:
            raise InputError(
                f"{name} holds the row {short_repr(id)} twice: let its batch run to its end, which leaves"
                " one, or take one out"
            )
        rows[id] = told
    return ResultFile(path, name, rows, list(columns), results.skipped_note)


_ASKED = ("question", "marks", "numbers", "crop")


def _told(column: str | None, found: dict[str, None], record: Json) -> tuple[str, ComparedRow]:
    """The columns are added to those that were found. Raises ValueError for a record without an id,
    InputError for a truth that is none.
    """
    id = record.get("id")
    if not isinstance(id, str):
        raise ValueError("no id")
    extra = record["extra"] or {}
    found.update(dict.fromkeys(extra))
    columns = (column,) if column else TRUTH_COLUMNS
    texts = {name: _text(_own(extra.get(name), id)) for name in columns}
    truths = {name: text for name, text in texts.items() if text is not None}
    if column and not truths and extra.get(column) is not None:
        raise InputError(
            f"the truth of the row {short_repr(id)} is text or a number, or a list of them for several"
            f" questions, not {short_repr(extra[column])}"
        )
    answer = None if record["error"] else record["answer"]
    asked = hash(json.dumps([record.get(name) for name in _ASKED]))
    return id, ComparedRow(asked, answer, truths, str(record.get("model") or ""))


def _own(value: object, id: str) -> object:
    """Of a list, which a row of several questions has, what belongs to the question of this id."""
    if not isinstance(value, list):
        return value
    number = id.rpartition(":q")[2]
    known = number.isdecimal() and 1 <= int(number) <= len(value)
    return value[int(number) - 1] if known else None


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int | float) else None


def _usual(files: Sequence[ResultFile], ids: Sequence[str]) -> str | None:
    """The first of the usual columns that any row has."""
    found = {name for file in files for id in ids for name in file.rows[id].truths}
    return next((name for name in TRUTH_COLUMNS if name in found), None)


def _truths(
    files: Sequence[ResultFile], ids: Sequence[str], column: str
) -> Iterator[tuple[str, str]]:
    """Raises InputError where two files disagree."""
    for id in ids:
        told = {
            file.rows[id].truths[column]: file for file in files if column in file.rows[id].truths
        }
        if len(told) > 1:
            (one, file), (another, other) = list(told.items())[:2]
            raise InputError(
                f"the truth of the row {short_repr(id)} is {short_repr(one)} in {file.name} and"
                f" {short_repr(another)} in {other.name}: compare answers to the same source"
            )
        if told:
            yield id, next(iter(told))


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")
