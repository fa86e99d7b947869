"""A `batch` that is killed and restarted many times, against an uninterrupted one.

Fails unless both finished files are equal, apart from times, and unless each kill leaves the rows of
the earlier kills unchanged and without duplicates.
"""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.bench import Bench
from benchmarks.measuring import Measure

BATCH_SIZE = 8  # small, so that the file grows at more moments than there are kills


def write_manifest(folder: Path, scenes: int) -> Path:
    """Write held-out scenes, with a question about each of their marks."""
    from vipllava_cli.flows.evals.clipart.scenes import (
        HELD_OUT,
        SIMPLE,
        make_scene,
        mark_scene,
        scene_rng,
    )
    from vipllava_cli.marks.json_marks import mark_to_json

    folder.mkdir()
    lines = []
    for number in range(scenes):
        rng = scene_rng(HELD_OUT, 5000 + number)
        marked = mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE)
        name = f"scene-{number}.png"
        marked.scene.image.save(folder / name)
        marks = [mark_to_json(mark) for mark in marked.marks]
        questions = [f"What is {{{place}}}?" for place in range(1, len(marks) + 1)]
        lines.append(json.dumps({"image": name, "marks": marks, "questions": questions}))
    path = folder / "manifest.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def batch_command(manifest: Path, out: Path, *flags: str) -> list[str]:
    """Return the command line of a run."""
    command = [sys.executable, "-m", "vipllava_cli", "batch", str(manifest), "--out", str(out)]
    return [*command, "--model", "tiny", "-q", *flags]


def complete_lines(path: Path) -> list[bytes]:
    """Return the complete lines on disk."""
    data = path.read_bytes() if path.exists() else b""
    return data.splitlines(keepends=True)[: data.count(b"\n")]


def run_and_kill(manifest: Path, out: Path, rows: int, delay: float) -> bool:
    """Start a run, and kill it `delay` seconds after `rows` more rows are on disk.

    Returns False if the run ended before.
    """
    child = subprocess.Popen(batch_command(manifest, out, "--batch-size", str(BATCH_SIZE)))  # noqa: S603 - the program itself
    target = len(complete_lines(out)) + rows
    while child.poll() is None and len(complete_lines(out)) < target:
        time.sleep(0.01)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    return child.wait() != 0


def records_without_times(path: Path) -> list[dict[str, object]]:
    """Return the records without the field that differs from run to run."""
    from vipllava_cli.storage.journal import read_journal

    return [{**record, "seconds": 0} for record in read_journal(path)]


def run(bench: Bench) -> Iterator[Measure]:
    """Kill, restart, compare."""
    kills = bench.choose(20, 1)
    moments = random.Random(4)  # noqa: S311 - the same moments in every run
    manifest = write_manifest(bench.folder / "kills", bench.choose(420, 8))
    uninterrupted, out = bench.folder / "uninterrupted.jsonl", bench.folder / "killed.jsonl"
    subprocess.run(batch_command(manifest, uninterrupted), check=True)  # noqa: S603 - the program itself
    rows_per_kill = len(complete_lines(uninterrupted)) // (kills + 5)
    before: list[bytes] = []
    torn = 0
    for number in range(kills):
        # The first kill interrupts the loading of the model.
        rows = moments.randrange(2 * rows_per_kill) if number else 0
        if not run_and_kill(manifest, out, rows, moments.uniform(0, 0.3)):
            raise RuntimeError(f"the run ended before kill {number + 1}")
        after = complete_lines(out)
        assert after[: len(before)] == before, "rows on disk changed"
        counts = Counter(json.loads(line)["id"] for line in after)
        assert set(counts.values()) <= {1}, "a row on disk has a duplicate"
        torn += out.exists() and out.stat().st_size > sum(map(len, after))
        before = after
    subprocess.run(batch_command(manifest, out), check=True)  # noqa: S603 - the program itself
    finished = records_without_times(out)
    assert finished == records_without_times(uninterrupted), "the finished files differ"
    yield Measure("kills", kills, note=f"{torn} of them cut a line short")
    yield Measure("records equal to those of an undisturbed run", len(finished))
