"""Fixtures of the tests of judges."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.judge import JudgeServer, serving
from tests.support.server_engines import server_home

home = pytest.fixture(autouse=True)(server_home)


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    """Serve a judge on the loopback interface."""
    with serving(JudgeServer()) as judge:
        yield judge


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file of grades that does not exist yet."""
    return tmp_path / "grades.jsonl"
