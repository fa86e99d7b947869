"""A run of `batch` over 300 generated scenes on the shipped model, killed with SIGKILL at 20 random
moments and started again each time; beside a run that nobody stopped.

Fails unless the finished files are equal, apart from times, and what was on disk at a kill is still
there, untouched and answered once, after the next.
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    SIMPLE,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.storage.journal import read_journal

SCENES = 300
KILLS = 20
BATCH = 8  # small, so that there are more moments than kills


def write_manifest(folder: Path) -> Path:
    """Scenes that training never saw, each with a question about each of its marks."""
    lines = []
    for number in range(SCENES):
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


def command(manifest: Path, out: Path, *more: str) -> list[str]:
    """The command line of a run."""
    own = [sys.executable, "-m", "vipllava_cli", "batch", str(manifest), "--out", str(out)]
    return [*own, "--model", "tiny", "-q", *more]


def whole_lines(path: Path) -> list[bytes]:
    """The lines on disk, less one that was cut short."""
    data = path.read_bytes() if path.exists() else b""
    return data.splitlines(keepends=True)[: data.count(b"\n")]


def killed_run(manifest: Path, out: Path, rows: int, delay: float) -> bool:
    """Start, kill when so many more rows are on disk and a delay is over; False if it ended before."""
    child = subprocess.Popen(command(manifest, out, "--batch-size", str(BATCH)))
    wanted = len(whole_lines(out)) + rows
    while child.poll() is None and len(whole_lines(out)) < wanted:
        time.sleep(0.01)
    time.sleep(delay)
    child.send_signal(signal.SIGKILL)
    return child.wait() != 0


def timeless(path: Path) -> list[dict[str, object]]:
    """The records without what no two runs have in common."""
    return [{**record, "seconds": 0} for record in read_journal(path)]


def main() -> None:
    """Kill, go on, compare, and print what happened."""
    os.environ["HF_HUB_OFFLINE"] = "1"
    moments = random.Random(4)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        manifest = write_manifest(folder)
        whole, out = folder / "whole.jsonl", folder / "killed.jsonl"
        subprocess.run(command(manifest, whole), check=True)
        each = len(whole_lines(whole)) // (KILLS + 2)
        before: list[bytes] = []
        kept, torn = [], 0
        for number in range(KILLS):
            rows = moments.randrange(2 * each) if number else 0  # the first while it still loads
            if not killed_run(manifest, out, rows, moments.uniform(0, 0.3)):
                raise SystemExit(f"the run was over before kill {number + 1}")
            after = whole_lines(out)
            assert after[: len(before)] == before, "what was on disk is no longer"
            times = Counter(json.loads(line)["id"] for line in after)
            assert set(times.values()) <= {1}, "a row that was on disk was answered again"
            torn += out.exists() and out.stat().st_size > sum(map(len, after))
            before = after
            kept.append(len(after))
        subprocess.run(command(manifest, out), check=True)
        assert timeless(out) == timeless(whole), "the finished files differ"
        print(f"{len(timeless(whole))} rows; on disk after each of {KILLS} kills: {kept}")
        print(
            f"{torn} kills cut a line short; the finished file equals that of a run never stopped"
        )


if __name__ == "__main__":
    main()
