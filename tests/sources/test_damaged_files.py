"""Randomly damaged files: one line, or rows with marks on the image; never a traceback or a hang.

`VIPLLAVA_DAMAGED_FILES` is the number of files for each reader, `VIPLLAVA_DAMAGE_SEED` chooses others.
"""

import os
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.conftest import ROOT, Run
from tests.support.damage import damage
from tests.support.damaged_sources import IMAGES, READERS, write_damaged

COUNT = int(os.environ.get("VIPLLAVA_DAMAGED_FILES", "150"))
SEED = int(os.environ.get("VIPLLAVA_DAMAGE_SEED", "1"))
SECONDS = 60 + COUNT  # for one reader on a busy machine


@pytest.mark.slow
@pytest.mark.parametrize("reader", [*READERS, IMAGES])
def test_a_damaged_file_gives_one_line_or_marks_on_the_image(reader: str) -> None:
    # In a process of its own: what other tests have loaded would count as memory.
    options = ("--count", str(COUNT), "--seed", str(SEED), "--reader", reader)
    ended = subprocess.run(
        [sys.executable, "-m", "tests.support.damaged_sources", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, ""), ended.stderr[-2000:]


@pytest.mark.parametrize("reader", READERS)
def test_the_command_lists_a_damaged_file(reader: str, run: Run, tmp_path: Path) -> None:
    for number in range(5):
        written = write_damaged(reader, SEED, number, tmp_path / str(number))
        ended = run("batch", *written.arguments, "--dry-run")
        assert ended.code in (0, 2, 3, 6), ended.stderr
        lines = ended.stderr.splitlines()
        assert "a bug in vipllava" not in ended.stderr
        assert sum(line.startswith("error: ") for line in lines) == (ended.code in (2, 3))
        assert all(line.startswith(("note: ", "warning: ")) for line in lines[:-1])


def test_the_damage_depends_on_the_seed_only() -> None:
    content = b'{"images": [{"id": 1, "file_name": "a.jpg"}], "annotations": []}'

    def damaged(seed: int) -> list[bytes]:
        rng = Random(seed)
        return [damage(content, "a.json", rng) for _ in range(20)]

    assert damaged(1) == damaged(1) != damaged(2)
    assert sum(each != content for each in damaged(1)) > 15
