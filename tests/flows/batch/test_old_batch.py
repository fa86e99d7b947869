"""A run continues the files of version 0.1.0: its keys are equal to those of that version."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Run, open_once
from vipllava_cli.engine.base import Answer, Engine, Prompt
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import ExitCode
from vipllava_cli.storage.record_lines import decode_line

pytestmark = pytest.mark.model

OLD = ROOT / "tests" / "fixtures" / "0.1.0"
IDS = ["garden", "farm:q1", "farm:q2", "missing", "choice", "street"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the old files, which is the working folder: keys do not depend on it, ids do."""
    shutil.copytree(OLD, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def prompts(opened_once: None, monkeypatch: pytest.MonkeyPatch) -> list[Prompt]:
    """The prompts that the model answers."""
    asked: list[Prompt] = []
    engine_class = type(open_once("tiny"))
    answer_batch = engine_class.answer_batch

    def count(engine: Engine, batch: Sequence[Prompt], options: GenerationOptions) -> list[Answer]:
        asked.extend(batch)
        return answer_batch(engine, batch, options)

    monkeypatch.setattr(engine_class, "answer_batch", count)
    return asked


def read(path: Path) -> list[dict[str, Any]]:
    return [decode_line(line) for line in path.read_text().splitlines()]


def test_an_interrupted_run_answers_only_the_other_rows(
    run: Run, folder: Path, prompts: list[Prompt]
) -> None:
    out = folder / "begun.jsonl"
    kept = out.read_bytes().splitlines(keepends=True)[:3]
    result = run("batch", "questions.jsonl", "--out", "begun.jsonl", "--model", "tiny")
    assert result.code == ExitCode.SOME_ROWS_FAILED, result.stderr
    assert "was cut short" in result.stderr
    assert len(prompts) == 2, "only `choice` and `street` need the model"
    assert out.read_bytes().splitlines(keepends=True)[:3] == kept
    rows = read(out)
    assert [row["id"] for row in rows] == IDS
    assert [row["id"] for row in rows if row["error"]] == ["missing"]


def test_a_finished_run_asks_nothing_again(run: Run, folder: Path, prompts: list[Prompt]) -> None:
    out = folder / "finished.jsonl"
    before = out.read_bytes().splitlines()
    result = run("batch", "questions.jsonl", "--out", "finished.jsonl", "--model", "tiny", "--zoom")
    assert result.code == ExitCode.SOME_ROWS_FAILED, result.stderr
    assert prompts == []
    after = out.read_bytes().splitlines()
    assert [row["id"] for row in read(out)] == IDS
    changed = [json.loads(new)["id"] for old, new in zip(before, after, strict=True) if old != new]
    assert changed in ([], ["missing"]), "only the failed row is tried again"


def test_the_keys_and_answers_of_a_new_run_are_equal(
    run: Run, folder: Path, opened_once: None
) -> None:
    run("batch", "questions.jsonl", "--out", "new.jsonl", "--model", "tiny", "--zoom")
    old, new = read(folder / "finished.jsonl"), read(folder / "new.jsonl")
    varying = {"seconds", "device", "dtype", "error", "choices"}
    assert [{k: v for k, v in row.items() if k not in varying} for row in new] == [
        {k: v for k, v in row.items() if k not in varying} for row in old
    ]
