"""Records -> images with regions and answers."""

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.flows.export.dataset import Answer, Dataset, ExportImage, Region
from vipllava_cli.marks.colors import Color
from vipllava_cli.marks.json_marks import is_finite_number, mark_from_json
from vipllava_cli.marks.parse import check_mark_count
from vipllava_cli.marks.types import Mark
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.record_file import Json, RecordFile

FROM_ANSWER = "from_answer"  # the field of a region with the id of the record that points at it

# `a.jpg#2~3:q1` is the first question about the second region of `a.jpg`, third answer.
_ID_END = re.compile(r"(?:~\d+)?(?::q\d+)?\Z")
_REGION_NUMBER = re.compile(r"#(\d{1,9})\Z")


@dataclass(frozen=True)
class AnsweredRow:
    """A record: its answer, its image and marks. `size` is None if the row failed before its image."""

    id: str
    image: str
    size: tuple[int, int] | None
    marks: tuple[Mark, ...]
    labels: tuple[str | None, ...]
    extra: Mapping[str, Any]
    answer: Answer
    answer_marks: tuple[Mark, ...] = ()

    @property
    def row_id(self) -> str:
        """The id of the row in its source, which several answers may share."""
        return _ID_END.sub("", self.id)

    @property
    def image_id(self) -> str:
        """The id of the image in its source."""
        return _REGION_NUMBER.sub("", self.row_id)

    @property
    def number(self) -> int | None:
        """The number of the region that the id names, from 1."""
        match = _REGION_NUMBER.search(self.row_id)
        return int(match[1]) if match else None


def read_rows(results: Path, notes: list[str]) -> list[AnsweredRow]:
    """Read a file of records, or standard input. Adds to `notes`. Raises InputError."""
    records = RecordFile(results, _row)
    rows = list(records)
    if records.skipped_note:
        notes.append(records.skipped_note)
    return rows


def dataset_of(rows: Sequence[AnsweredRow]) -> Dataset:
    """Make a dataset of records alone. Records that failed before their image are left out."""
    images: dict[tuple[str, tuple[int, int]], ExportImage] = {}
    left_out = 0
    for row in rows:
        if row.size is None:
            left_out += 1
            continue
        new = ExportImage(row.image_id, row.image, row.size)
        image = images.setdefault((row.image, row.size), new)
        add_row(image, row, may_add=True)
    found = sum(_add_answer_marks(images[row.image, row.size], row) for row in rows if row.size)
    dataset = Dataset(list(images.values()))
    if found:
        dataset.notes.append(f"{count_noun(found, 'region')} of answers: added as regions")
    if left_out:
        dataset.notes.append(
            f"{count_noun(left_out, 'failed row')} without a size of the image: left out; --source FILE"
            " keeps the regions of the file that batch read"
        )
    if not images:
        raise InputError(
            "no record holds an image that was read: every row failed, so there is nothing to export"
        )
    return dataset


def _add_answer_marks(image: ExportImage, row: AnsweredRow) -> int:
    """Add the regions that an answer points at. Returns how many the image did not have."""
    added = 0
    for mark in row.answer_marks:
        labels = {image.regions[position].label for position in image.places.find(mark)}
        if mark.label not in labels:
            image.regions.append(Region(mark, mark.label, extra={FROM_ANSWER: row.id}))
            added += 1
    return added


def add_row(image: ExportImage, row: AnsweredRow, *, may_add: bool) -> bool:
    """Add the answer of a record to its image. Returns whether a region or the image took it.

    With `may_add`, regions that the image does not have are added to it.
    """
    taken: dict[int, None] = {}
    for mark, label in zip(row.marks, row.labels, strict=True):
        position = _find(image, mark, label, row, taken)
        if position is None and may_add:
            extra = row.extra if len(row.marks) == 1 else {}
            image.regions.append(Region(mark, label, row.number, extra))
            position = len(image.regions) - 1
        if position is not None:
            taken[position] = None
    if row.marks and not taken:
        return False
    image.group(tuple(taken)).answers.append(row.answer)
    return True


def _find(
    image: ExportImage, mark: Mark, label: str | None, row: AnsweredRow, taken: Container[int]
) -> int | None:
    """Find the region of a mark. Of several at one place, the number or else the label decides."""
    number = row.number if len(row.marks) == 1 else None
    if number is None:
        return _choose(image, image.places.find(mark), label, taken, is_numbered=False)
    for each in (number, None):
        found = image.places.find_numbered(mark, each)
        position = _choose(image, found, label, taken, is_numbered=True)
        if position is not None:
            return position
    return None


def _choose(
    image: ExportImage,
    positions: Iterator[int],
    label: str | None,
    taken: Container[int],
    *,
    is_numbered: bool,
) -> int | None:
    """Return the first region with the label, else the first. None if only other labels are there."""
    first, has_label = None, False
    for position in positions:
        if position in taken:
            continue
        region = image.regions[position]
        if region.label == label:
            return position
        first = position if first is None else first
        has_label = has_label or bool(region.label)
    return None if has_label and label and not is_numbered else first


# --- one record ------------------------------------------------------------------------------


def _row(record: Json) -> AnsweredRow:
    """Convert a record. Raises ValueError for one without a valid mark."""
    extra = record.get("extra") or {}
    try:
        pointed = record.get("answer_marks") or ()
        check_mark_count(len(record["marks"]) + len(pointed))
        marks, answer_marks = (tuple(map(_mark, each)) for each in (record["marks"], pointed))
    except InputError as error:
        raise ValueError(str(error)) from None
    label = _text(extra.get("label")) if len(marks) == 1 else None
    return AnsweredRow(
        str(record.get("id") or record["image"]),
        record["image"],
        _size(record.get("width"), record.get("height")),
        marks,
        tuple(mark.label or label for mark in marks),
        extra,
        _answer(record),
        answer_marks,
    )


def _mark(value: Any) -> Mark:
    """Read a mark of a record, which is in pixels. Raises InputError."""
    spec = mark_from_json(value)
    parts = tuple(
        tuple((x.value, y.value) for x, y in zip(flat[::2], flat[1::2], strict=True))
        for flat in spec.parts
    )
    if not parts:
        raise InputError("a mark of a record has coords")
    return Mark(spec.shape, parts, spec.color or _NO_COLOR, label=spec.label)


_NO_COLOR = Color("red", (255, 0, 0))


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    if not all(isinstance(side, int) and side > 0 for side in (width, height)):
        return None
    return width, height


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _answer(record: Json) -> Answer:
    error = record.get("error")
    fields, probabilities = record.get("fields"), record.get("field_probabilities")
    return Answer(
        question=record.get("question") or "",
        text=None if error else record.get("answer"),
        model=str(record.get("model") or ""),
        revision=str(record.get("revision") or ""),
        choices=dict(_choices(record.get("choices"))),
        fields=fields if isinstance(fields, dict) and not error else {},
        field_probabilities=probabilities if isinstance(probabilities, dict) else {},
        error=str(error.get("message")) if isinstance(error, dict) else None,
        record_id=str(record.get("id") or ""),
    )


def _choices(values: Any) -> Iterator[tuple[str, float]]:
    for choice in values if isinstance(values, list) else []:
        if isinstance(choice, dict) and is_finite_number(choice.get("probability")):
            yield str(choice.get("text")), float(choice["probability"])
