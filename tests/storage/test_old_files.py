"""Files that version 0.1.0 wrote are still read."""

import json
import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from vipllava_cli.flows.chat.session_file import read_session
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.storage.journal import open_journal, read_journal
from vipllava_cli.storage.record_file import RecordFile
from vipllava_cli.storage.records import record_from_json

OLD = ROOT / "tests" / "fixtures" / "0.1.0"
FILES = {"finished.jsonl": 6, "begun.jsonl": 3, "asked.jsonl": 1, "eval/records.jsonl": 25}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(OLD, tmp_path / "old"))


@pytest.mark.parametrize("name", FILES)
def test_every_record_is_read_for_reports(name: str) -> None:
    results = RecordFile(OLD / name, lambda record: record["id"])
    assert len(list(results)) == FILES[name]
    assert results.skipped_lines == ([4] if name == "begun.jsonl" else [])


@pytest.mark.parametrize("name", FILES)
def test_a_record_with_an_answer_is_unchanged_after_a_round_trip(name: str) -> None:
    lines = (OLD / name).read_text().splitlines()[: FILES[name]]
    answered = [row for row in map(json.loads, lines) if row["error"] is None]
    assert len(answered) == FILES[name] - (name == "finished.jsonl")
    for row in answered:
        choices = {"choices": row["choices"]} if "choices" in row else {}
        assert json.loads(record_from_json(row).to_line()) | choices == row
        for mark in row["marks"]:
            mark_from_json(mark)


def test_a_finished_journal_is_unchanged_when_it_is_opened(folder: Path) -> None:
    path = folder / "finished.jsonl"
    before = path.read_bytes()
    with open_journal(path) as journal:
        assert journal.notes == []
        assert len(journal) == 6
        for row in map(json.loads, before.splitlines()):
            assert journal.has_answer(row["id"]) == (row["id"] != "missing")
            assert journal.is_answered(row["id"], row["key"]) == (row["id"] != "missing")
    assert path.read_bytes() == before


def test_an_interrupted_journal_loses_only_its_cut_line(folder: Path) -> None:
    path = folder / "begun.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    assert not lines[-1].endswith(b"\n")
    with open_journal(path) as journal:
        assert len(journal.notes) == 1
        assert "was cut short" in journal.notes[0]
        assert len(journal) == 3
        assert journal.is_answered("garden", "b30b94a4439cbdf4")
        journal.finish_in_order(())
    assert path.read_bytes() == b"".join(lines[:-1])
    assert [row["id"] for row in read_journal(path)] == ["garden", "farm:q1", "farm:q2"]


def test_a_session_is_read() -> None:
    session = read_session(str(OLD / "session.json"))
    saved = json.loads((OLD / "session.json").read_text())
    assert session.image == "images/garden.jpg"
    assert session.image_fingerprint == saved["picture"]
    assert [spec.color and spec.color.name for spec in session.marks] == ["red", "blue"]
    assert (session.numbers, session.zoom, session.dropped_turns) == (True, False, 0)
    for turn, row in zip(session.turns, saved["turns"], strict=True):
        assert turn.image_fingerprint == row["extra"]["picture"]
        assert list(turn.tokens) == row["extra"]["tokens"]
        assert turn.record.request.key == row["key"]
        assert turn.record.answer == row["answer"]
