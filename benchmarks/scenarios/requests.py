"""A whole `batch` on a server that takes 200 ms an answer, against the same with `--parallel 1`.

The time is that of the command, from the start of its process to its end. The first run of a day also
checks that images reach the model.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, interleave, seconds, summarize
from benchmarks.scenes import QUESTION, write_scenes

SECONDS, AT_A_TIME = 0.2, 32
FIRST, LATER = "first run of a day", "later run"
GOAL = "at least 20"


def run(bench: Bench) -> Iterator[Measure]:
    """Measure the command, and its ratio to that with one request after the other."""
    count = bench.choose(200, 32)
    folder = bench.folder / "requests"
    write_scenes(folder / "scenes", count)
    with stand_in(SECONDS) as port:
        environment = make_home(folder, port)
        works = {
            FIRST: lambda: run_batch(folder, environment, is_first=True),
            LATER: lambda: run_batch(folder, environment, is_first=False),
        }
        times = interleave(works, bench.choose(7, 1))
        alone = seconds(lambda: run_batch(folder, environment, is_first=False, parallel=1))
    yield Measure(f"{count} rows, one after the other", alone, "s")
    for name, values in times.items():
        yield summarize(f"{name}: {count} rows, {AT_A_TIME} at a time", values, "s")
        ratios = [alone / each for each in values]
        yield summarize(f"{name}: one after the other relative to that", ratios, "", GOAL)


@contextmanager
def stand_in(seconds: float) -> Iterator[int]:
    """Run the server in a process of its own. Yields its port."""
    command = [sys.executable, "-m", "benchmarks.stand_in", str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - own
        try:
            assert process.stdout
            yield int(process.stdout.readline())
        finally:
            process.terminate()


def make_home(folder: Path, port: int) -> dict[str, str]:
    """Name the server in the settings of a home folder. Returns the environment that names it."""
    shutil.rmtree(folder / "home", ignore_errors=True)  # of an earlier run
    environment = {**os.environ, "VIPLLAVA_HOME": str(folder / "home")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has compiled modules
    names = ["models", "add", "box", "--url", f"http://127.0.0.1:{port}/v1", "--model", "model"]
    _run(names, environment)
    return environment


def run_batch(
    folder: Path, environment: dict[str, str], *, is_first: bool, parallel: int = AT_A_TIME
) -> None:
    """Run the command. The first run of a day finds no stamp of a check."""
    out = folder / "out.jsonl"
    out.unlink(missing_ok=True)
    for stamp in (folder / "home").rglob("image-check-*") if is_first else ():
        stamp.unlink()
    asked = ["--question", QUESTION, "--box", "20%,20%,60%,60%", "--model", "box"]
    asked += ["--parallel", str(parallel)]
    _run(["batch", str(folder / "scenes"), "--out", str(out), *asked], environment)


def _run(arguments: list[str], environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "vipllava_cli", *arguments]
    subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603 - own
