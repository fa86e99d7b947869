"""Twenty small images, their rows, and an output file."""

from pathlib import Path

import pytest

from tests.support.batch import write_grey_images
from vipllava_cli.sources.rows import Row


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_grey_images(tmp_path / "images")


@pytest.fixture
def rows(images: Path) -> list[Row]:
    return [Row(f"{number}.png", str(images / f"{number}.png")) for number in range(20)]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "results.jsonl"
