"""Scores in the `extra` of records."""

import json
from pathlib import Path
from typing import Any

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.record_scores import read_scores, store_scores
from vipllava_cli.storage.journal import open_journal
from vipllava_cli.storage.record_lines import decode_line

RECORDS = [
    {
        "schema": 1,
        "id": id,
        "key": f"key {id}",
        "extra": {"wanted": id},
        "answer": id,
        "error": None,
    }
    for id in ("a", "b", "c")
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in RECORDS))
    return path


def _lines(path: Path) -> list[dict[str, Any]]:
    return [decode_line(line) for line in path.read_text().splitlines()]


def test_only_the_scores_change(path: Path) -> None:
    store_scores(path, {"a": {"exact": 1.0}, "c": {"exact": 0.5, "other": 0.0}})
    a, b, c = _lines(path)
    assert a == {**RECORDS[0], "extra": {"wanted": "a", "scores": {"exact": 1.0}}}
    assert b == RECORDS[1]
    assert read_scores(c["extra"]) == {"exact": 0.5, "other": 0.0}
    assert [list(line) for line in (a, b, c)] == [list(record) for record in RECORDS]


def test_equal_scores_leave_the_file_alone_and_others_replace_them(path: Path) -> None:
    scores = {"a": {"exact": 1.0}}
    store_scores(path, scores)
    first = path.stat()
    store_scores(path, scores)
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (first.st_ino, first.st_mtime_ns)
    store_scores(path, {"a": {"letter": 0.0}})
    assert read_scores(_lines(path)[0]["extra"]) == {"letter": 0.0}


def test_a_file_that_another_run_writes_is_left_alone(path: Path) -> None:
    before = path.read_bytes()
    with open_journal(path), pytest.raises(InputError, match="another run"):
        store_scores(path, {"a": {"exact": 1.0}})
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "extra", [{}, {"scores": None}, {"scores": [1]}, {"scores": {"a": "1", "b": True, "c": None}}]
)
def test_other_values_are_no_scores(extra: dict[str, Any]) -> None:
    assert read_scores(extra) == {}
