"""Disasters for a command in this process: limits, another user, a journal that is hit by an event."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Finished
from vipllava_cli.storage.journal import Journal, read_journal

NOBODY = 65534


@contextmanager
def limited(what: int, soft: int) -> Iterator[None]:
    """Lower a limit of this process."""
    old = resource.getrlimit(what)
    resource.setrlimit(what, (soft, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, old)


@contextmanager
def as_nobody() -> Iterator[None]:
    """Obey permissions, which root may ignore."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def with_umask(mask: int) -> Iterator[None]:
    old = os.umask(mask)
    try:
        yield
    finally:
        os.umask(old)


def after_append(
    monkeypatch: pytest.MonkeyPatch, event: Callable[[], object], *, number: int = 1
) -> None:
    """Let an event happen after the record with this number is on the disk."""
    append, count = Journal.append, 0

    def append_and_hit(journal: Journal, rows: Any) -> None:
        nonlocal count
        append(journal, rows)
        count += 1
        if count == number:
            event()

    monkeypatch.setattr(Journal, "append", append_and_hit)


def answers(out: Path) -> dict[str, dict[str, Any]]:
    """Return the answered records by id."""
    if not out.is_file():
        return {}
    return {row["id"]: row for row in read_journal(out) if row["error"] is None}


def assert_one_error(result: Finished, code: int, message: str = "") -> None:
    """Assert the exit code, and one error line that a user understands."""
    assert "a bug in vipllava" not in result.stderr, result.stderr
    assert "Traceback" not in result.stderr, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert (result.code, len(errors)) == (code, 1), (result.code, result.stderr)
    assert len(result.stderr.splitlines()) <= 3, result.stderr
    assert message in errors[0]
