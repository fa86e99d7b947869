"""Read files of records for a comparison."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.evals.compared_fields import FIELD_COLUMN, ComparedField, compared_fields
from vipllava_cli.flows.evals.record_scores import SCORES, read_scores
from vipllava_cli.flows.evals.scorers import OR
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.storage.files import STANDARD_INPUT, same_file
from vipllava_cli.storage.record_file import RECORDS_NAME, Json, RecordFile, folder_records
from vipllava_cli.storage.tables import LABEL, label_of, records_path

# Columns that may hold the target.
TRUTH_COLUMNS = ("wanted", "truth", "answer", "expected", FIELD_COLUMN)


@dataclass(frozen=True, slots=True)
class ComparedRow:
    """The parts of a record that a comparison needs.

    `question_hash` is equal for equal question, marks and crop. `answer` is None for a failed row.
    `truths` holds the targets by column, without empty ones; `scores` the stored scores by scorer.
    `mark_style` is how the question refers to the marks. `is_one_of_fields`: the record has several
    fields, and this row is about one of them. `is_ungraded`: a judge could not grade the answer.
    """

    question_hash: int
    answer: str | None
    truths: Mapping[str, str]
    scores: Mapping[str, float]
    model: str
    mark_style: str = ReferenceStyle.drawn.value
    is_one_of_fields: bool = False
    is_ungraded: bool = False


@dataclass(frozen=True)
class ResultFile:
    """The rows of a file by id, and the columns of their `extra` that hold texts or numbers.

    `skipped_note` is a line about other lines in the file, empty if there are none.
    """

    path: Path
    name: str
    rows: Mapping[str, ComparedRow]
    columns: Collection[str]
    skipped_note: str

    def answer(self, id: str) -> str | None:
        """Return the answer of a row, None if it failed."""
        return self.rows[id].answer

    @property
    def model(self) -> str:
        """The models that answered."""
        return ", ".join(dict.fromkeys(row.model for row in self.rows.values() if row.model))


def read_files(results: Sequence[Path], column: str | None) -> list[ResultFile]:
    """Read files of records, folders of `eval`, or tables of `batch`.

    The targets are in `column`, or in one of `TRUTH_COLUMNS`. Raises UsageError for the same file twice,
    InputError for a folder without records, and for a file that holds no records or an id twice.
    """
    if STANDARD_INPUT in map(str, results):
        raise UsageError("compare does not read standard input: save it to a file")
    paths = list(map(find_records, results))
    for index, path in enumerate(paths):
        for other in range(index):
            if same_file(path, paths[other]):
                raise UsageError(
                    f"{results[other]} and {results[index]} are the same file: give a different one"
                )
    names = _names(results)
    return [_read(path, name, column) for path, name in zip(paths, names, strict=True)]


def find_records(results: Path) -> Path:
    """Return the file of records of an `eval` folder or of a table of `batch`. Raises InputError."""
    path = records_path(folder_records(results))
    if os.path.isdir(path):
        raise InputError(
            f"{results} is a folder without {RECORDS_NAME}: give a file of results, or a folder that"
            " `vipllava eval` wrote with --out"
        )
    return path


def _names(paths: Sequence[Path]) -> Sequence[str]:
    """Name each file by its last part, or by its complete path if two of them have the same name."""
    names = [path.name or str(path) for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def _read(path: Path, name: str, column: str | None) -> ResultFile:
    columns: dict[str, None] = {}
    results = RecordFile(path, partial(_parse_record, column, columns), name)
    rows: dict[str, ComparedRow] = {}
    for id, row in chain.from_iterable(results):
        if id in rows:
            raise InputError(
                f"{name} holds the row {short_repr(id)} twice: finish its batch to keep only"
                " the last, or remove one"
            )
        rows[id] = row
    return ResultFile(path, name, rows, list(columns), results.skipped_note)


_QUESTION_FIELDS = ("question", "marks", "numbers", "crop")


def _parse_record(
    column: str | None, columns: dict[str, None], record: Json
) -> list[tuple[str, ComparedRow]]:
    """Return a record's id and row, or those of its fields. Add the names in its `extra` to `columns`.

    `columns` names those with a text or a number. Raises ValueError for a record without an id,
    InputError for a target that is neither.
    """
    id = record.get("id")
    if not isinstance(id, str):
        raise ValueError("no id")
    extra = _source_fields(record)
    texts = {name: _target_text(_pick_by_question(value, id)) for name, value in extra.items()}
    columns.update(dict.fromkeys(name for name, text in texts.items() if text is not None))
    fields = list(compared_fields(record))
    if fields:
        return [(field.id(id), _field_row(column, record, field)) for field in fields]
    names = (column,) if column else TRUTH_COLUMNS
    truths = {name: text for name in names if (text := texts.get(name))}
    if column and texts.get(column) is None and extra.get(column) is not None:
        raise InputError(
            f"the truth of the row {short_repr(id)} is text or a number, or a list of them for several"
            f" questions, not {short_repr(extra[column])}; join equal answers with {OR}"
        )
    answer = None if record["error"] else record["answer"]
    question_hash = hash(json.dumps([record.get(name) for name in _QUESTION_FIELDS]))
    model = str(record.get("model") or "")
    style = _mark_style(record)
    row = ComparedRow(
        question_hash,
        answer,
        truths,
        read_scores(extra),
        model,
        style,
        is_ungraded=extra.get(SCORES) == {},
    )
    return [(id, row)]


def _field_row(column: str | None, record: Json, field: ComparedField) -> ComparedRow:
    """Return the row of a field."""
    extra = _source_fields(record)
    targets = {name: field.target(extra.get(name)) for name in TRUTH_COLUMNS}
    targets[FIELD_COLUMN] = field.own_target(extra.get(field.name))
    if column:
        targets = {column: field.target(extra.get(column))}
    texts = {name: _target_text(value) for name, value in targets.items()}
    question_hash = hash(
        json.dumps([field.question, *(record.get(name) for name in _QUESTION_FIELDS[1:])])
    )
    truths = {name: text for name, text in texts.items() if text}
    model = str(record.get("model") or "")
    return ComparedRow(
        question_hash,
        field.answer,
        truths,
        {},
        model,
        _mark_style(record),
        is_one_of_fields=not field.is_only,
    )


def _source_fields(record: Json) -> Json:
    """Return the fields of the source. The label of the marks is one of them, as in a table."""
    extra, label = record["extra"] or {}, label_of(record)
    return extra if label is None else {**extra, LABEL: label}


def _mark_style(record: Json) -> str:
    return str(record.get("mark_style") or ReferenceStyle.drawn.value)


def _pick_by_question(value: object, id: str) -> object:
    """Return the item of a list that belongs to the question of this id: `row:q2` has the second."""
    if not isinstance(value, list):
        return value
    number = id.rpartition(":q")[2]
    is_known = number.isdecimal() and 1 <= int(number) <= len(value)
    return value[int(number) - 1] if is_known else None


def _target_text(value: object) -> str | None:
    """Format a target as an answer says it, without spaces around it. None for any other value.

    Programs that write tables turn a column of whole numbers with gaps into `2.0`.
    """
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value) if isinstance(value, int | float) else None
