"""Failures grouped by their messages."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.storage.test_journal import REQUEST
from tests.support.batch import run_over
from tests.support.fake_engine import FakeEngine
from vipllava_cli.flows.batch import failures
from vipllava_cli.flows.batch.failures import FailureGroups, without_names
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import Row
from vipllava_cli.storage.records import Failure


@pytest.mark.parametrize(
    ("image", "id", "message", "expected"),
    [
        ("in/a.png", "a.png", "there is no file in/a.png: check", "there is no file …: check"),
        ("in/a.png", "a.png", "a.png is empty: not b/a.png.gz", "… is empty: not b/a.png.gz"),
        ("in/a.png", "1", "only 1 mark", "only 1 mark"),
        ("a.png", "red", "the red box is outside", "the red box is outside"),
        ("a.png", "line 7", "in/rows.jsonl, line 7: expected JSON", "expected JSON"),
        ("a.png", "a.png#3", "a.json, region 3 of a.png: no width", "no width"),
        ("https://me:secret@x.org/a.png", "x", "https://…@x.org/a.png is gone", "… is gone"),
        ("", "row 3", "box 1,2,3,4 has no width", "box 1,2,3,4 has no width"),
    ],
)
def test_the_names_of_a_row_are_removed(image: str, id: str, message: str, expected: str) -> None:
    assert without_names(replace(REQUEST, image=image, id=id), message) == expected


def test_failures_are_counted_by_reason(rows: list[Row], out: Path) -> None:
    for number in (2, 5, 7):
        Path(rows[number].image).write_bytes(b"")
    Path(rows[3].image).write_text("text")
    Path(rows[4].image).unlink()
    asked = [replace(rows[8], id="b", questions=("is it {3}?",)), *rows[:8]]
    groups = run_over(asked, out, FakeEngine()).failure_groups.largest_first()
    assert [(group.id, group.count) for group in groups] == [
        ("2.png", 3),
        ("b", 1),
        ("3.png", 1),
        ("4.png", 1),
    ]
    assert groups[0].message.startswith(f"{rows[2].image} is empty")


def test_broken_lines_of_a_manifest_with_one_reason_are_one_group(tmp_path: Path) -> None:
    manifest = tmp_path / "rows.jsonl"
    manifest.write_text('{"image": 1}\n{"image": 1, "id": "x"}\n{"image": 2}\n' * 3)
    rows = list(read_source(str(manifest)).rows)
    groups = run_over(rows, tmp_path / "r.jsonl", FakeEngine()).failure_groups.largest_first()
    assert [(group.id, group.count) for group in groups] == [("line 1", 6), ("line 3", 3)]


def test_a_bug_and_an_error_with_equal_text_stay_apart() -> None:
    groups = FailureGroups()
    groups.add(REQUEST, Failure("Bug", "broken"))
    groups.add(REQUEST, Failure("InputError", "broken"))
    assert len(groups.largest_first()) == 2


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(failures, "MAX_GROUPS", 2)
    groups = FailureGroups()
    for number in (1, 2, 3, 1, 4):
        groups.add(REQUEST, Failure("InputError", f"reason {number}"))
    assert [group.count for group in groups.largest_first()] == [2, 1]
