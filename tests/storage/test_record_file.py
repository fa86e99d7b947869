"""Files of records from any source: what counts as a record, and what is skipped."""

import json
from pathlib import Path
from typing import Any

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.storage import record_file
from vipllava_cli.storage.record_file import Json, RecordFile

# The fields that a record of any version or program needs.
MINIMAL = {"schema": 1, "image": "a.png", "marks": [], "answer": "yes"}


def read(path: Path, *lines: Any) -> RecordFile[Json]:
    text = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("\n".join(text) + "\n")
    return RecordFile(path, lambda record: record)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"


@pytest.mark.parametrize(
    "change",
    [{"question": None}, {"extra": None}, {"answer": None, "error": {"type": "x"}}, {"id": 7}],
)
def test_fields_that_the_reports_do_not_need_may_be_missing(
    path: Path, change: dict[str, Any]
) -> None:
    record = MINIMAL | change
    assert list(read(path, MINIMAL, record)) == [MINIMAL, record]


@pytest.mark.parametrize(
    "line",
    [
        "prose",
        "[1]",
        MINIMAL | {"schema": 2},
        MINIMAL | {"image": None},
        MINIMAL | {"marks": None},
        MINIMAL | {"answer": None},
        MINIMAL | {"answer": 7},
        MINIMAL | {"question": ["what?"]},
        MINIMAL | {"extra": []},
        MINIMAL | {"error": "text"},
        "[" * 100_000,
    ],
)
def test_another_line_is_skipped_with_its_number(path: Path, line: Any) -> None:
    results = read(path, MINIMAL, line, "", MINIMAL)
    assert list(results) == [MINIMAL, MINIMAL]
    assert results.skipped_lines == [2]
    assert results.skipped_note == "results.jsonl: line 2 is not a record and was skipped"


def test_the_note_counts_several_skipped_lines(path: Path) -> None:
    results = read(path, "a", MINIMAL, "b")
    assert len(list(results)) == 1
    assert results.skipped_note == (
        "results.jsonl: 2 lines are not records and were skipped; the first is line 1"
    )


def test_a_record_that_cannot_be_converted_is_skipped(path: Path) -> None:
    read(path, MINIMAL, MINIMAL | {"answer": "7"})
    results = RecordFile(path, lambda record: int(record["answer"]), "given name")
    assert list(results) == [7]
    assert results.skipped_note.startswith("given name: line 1")


@pytest.mark.parametrize(
    ("data", "description"),
    [
        (b"", "found nothing"),
        (b"hello\n", "found lines like 'hello'"),
        (b"\xff\xfe\n", "found bytes that are not text"),
        (b"a\0\n", "found bytes that are not text"),
    ],
)
def test_a_file_without_records_is_described(path: Path, data: bytes, description: str) -> None:
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"^results.jsonl contains no record: .*; {description}"):
        list(RecordFile(path, lambda record: record))


def test_a_large_file_without_records_is_not_read_to_its_end(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_file, "MAX_SKIPPED_LINES", 3)
    results = read(path, *"abcdef", MINIMAL)
    with pytest.raises(InputError, match="contains no record"):
        list(results)
    assert results.skipped_lines == [1, 2, 3]
