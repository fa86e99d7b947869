"""Annotation files and manifests that attack: one line, or rows, in little time and memory."""

import os
from pathlib import Path

import pytest

from tests.support.budget import Measured, assert_in_budget, read_tree, run_measured
from tests.support.hostile_texts import TEXTS, write
from tests.support.sources import write_images
from vipllava_cli.errors import ExitCode

MAX_SECONDS = 20
MAX_BYTES = 2 << 30
MAX_LINES = 6  # notes of a dry run, its list of rows, and an error
ENDS = (ExitCode.DONE, ExitCode.INPUT, ExitCode.SOME_ROWS_FAILED)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    write_images(work, "images/a.png")
    return work


def run_in(folder: Path, *arguments: str | Path, stdin: int | bytes = b"") -> Measured:
    """Run the command in its budget. Asserts that it changes no file."""
    before = read_tree(folder)
    ended = run_measured(*arguments, folder=folder, stdin=stdin, max_seconds=MAX_SECONDS)
    assert read_tree(folder) == before
    return ended


def assert_bounded(ended: Measured) -> None:
    """Assert that a command ended in its budget, with short lines and without a traceback."""
    assert ended.code in ENDS, (ended.code, ended.stderr[-2000:])
    lines = ended.stderr.splitlines()
    assert len(lines) <= MAX_LINES, ended.stderr[:3000]
    assert all(len(line) < 1500 for line in lines), ended.stderr[:3000]
    assert (ended.code == ExitCode.INPUT) == any(line.startswith("error: ") for line in lines)
    assert "\x1b" not in ended.stderr + ended.stdout
    assert_in_budget(ended, max_seconds=MAX_SECONDS, max_bytes=MAX_BYTES)


@pytest.mark.parametrize(
    ("name", "attack"), [(name, attack) for name, attacks in TEXTS.items() for attack in attacks]
)
def test_a_hostile_text_is_bounded(folder: Path, name: str, attack: str) -> None:
    write(folder / name, TEXTS[name][attack])
    reading, writing = os.pipe()  # a program that reads standard input by mistake waits
    try:
        assert_bounded(run_in(folder, "batch", name, "--dry-run", stdin=reading))
    finally:
        os.close(reading)
        os.close(writing)
