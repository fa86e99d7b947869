"""`vipllava --help`, against the smallest Typer program."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, interleave, summarize, summarize_ratio

OURS, BARE_NAME = "vipllava --help", "bare Typer program"

BARE = """
import typer
app = typer.Typer()
@app.command()
def one(number: int = 1) -> None:
    "One."
@app.command()
def two(number: int = 2) -> None:
    "Two."
app()
"""


def run(bench: Bench) -> Iterator[Measure]:
    """Time both in new processes."""
    bare = bench.folder / "bare.py"
    bare.write_text(BARE)
    commands = {
        OURS: [sys.executable, "-m", "vipllava_cli", "--help"],
        BARE_NAME: [sys.executable, str(bare), "--help"],
    }
    works = {
        name: partial(subprocess.run, command, capture_output=True, check=True)
        for name, command in commands.items()
    }
    times = interleave(works, bench.choose(15, 1))
    for name, values in times.items():
        yield summarize(name, [1000 * each for each in values], "ms")
    yield summarize_ratio(
        "relative to the bare program", times[OURS], times[BARE_NAME], "at most 1.3"
    )
