"""Compare a batch of four fields a region with a batch of one question a region.

    python -m benchmarks.fields

The regions are 50 objects of clip-art scenes, each in an image of its own, and `tiny` answers. The
first comparison has four fields with choices, the second three of them and a free text. Each round runs
one batch of each kind, from the image files to the records on the disk; the ratios are medians over
the rounds. Processor time leaves out what other programs on the machine take.
"""

import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.support import SilentListener, describe, seconds
from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.flows.batch.run import BatchRun
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    SIMPLE,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.flows.fields.grammar import parse_fields
from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage.journal import open_journal, read_journal

REGIONS = 50
QUESTION = "what is {1}?"
CHOSEN = (
    'kind "what kind of thing is {1}?": an animal|food|a vehicle|furniture;'
    ' dog "is {1} a dog?": yes|no; thing "what is {1}?": a dog|a cat|a bus|an egg;'
    ' color "what color is the mark?": red|blue|lime|yellow'
)
WITH_TEXT = CHOSEN.replace("a dog|a cat|a bus|an egg", "free")


def make_rows(folder: Path) -> list[Row]:
    """Write the images of the regions. Returns a row for each."""
    rows = []
    for number in range(REGIONS):
        rng = scene_rng(HELD_OUT, 9000 + number)
        marked = mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE)
        path = folder / f"{number}.png"
        marked.scene.image.save(path)
        rows.append(Row(path.name, str(path), (mark_from_json(mark_to_json(marked.marks[0])),)))
    return rows


def run(engine: Engine, rows: list[Row], out: Path, task: BatchTask) -> None:
    """Answer all rows into a new file."""
    out.unlink(missing_ok=True)
    with open_journal(out) as journal:
        source = Source(iter(rows), "benchmark")
        BatchRun(source, task, journal, lambda: engine, SilentListener())()


def iter_tasks(model: tuple[str, str]) -> Iterator[tuple[str, BatchTask]]:
    """Yield the kinds of batches by name."""
    yield "one question", BatchTask(model, (QUESTION,))
    choices = GenerationOptions(choices=("a dog", "a cat", "a bus", "an egg"))
    yield "one question with four choices", BatchTask(model, (QUESTION,), options=choices)
    yield "four fields with choices", _fields_task(model, CHOSEN)
    yield "three fields with choices and a text", _fields_task(model, WITH_TEXT)


def _fields_task(model: tuple[str, str], text: str) -> BatchTask:
    return BatchTask(model, options=GenerationOptions(fields=parse_fields(text)))


class Times(NamedTuple):
    """The seconds of one batch: elapsed, and of the processor, where other programs do not count."""

    elapsed: float
    processor: float


def time_batch(engine: Engine, rows: list[Row], out: Path, task: BatchTask) -> Times:
    """Time one batch."""
    start = time.process_time()
    elapsed = seconds(partial(run, engine, rows, out, task))
    return Times(elapsed, time.process_time() - start)


def describe_ratio(taken: Sequence[float], base: Sequence[float]) -> str:
    """Describe the ratios of pairs of times: the median and the range."""
    ratios = [each / one for each, one in zip(taken, base, strict=True)]
    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main(rounds: int = 7) -> None:
    """Print the medians, and the ratios to one question. A first round warms up."""
    engine = open_engine("tiny")
    tasks = dict(iter_tasks((engine.info.name, engine.info.revision)))
    times: dict[str, list[Times]] = {name: [] for name in tasks}
    with tempfile.TemporaryDirectory() as name:
        rows, out = make_rows(Path(name)), Path(name) / "records.jsonl"
        for _ in range(rounds + 1):
            for kind, task in tasks.items():
                times[kind].append(time_batch(engine, rows, out, task))
                assert len(list(read_journal(out))) == REGIONS
    print(describe())
    base = [one[1:] for one in zip(*times["one question"], strict=True)]
    for kind, some in times.items():
        elapsed, processor = (each[1:] for each in zip(*some, strict=True))
        print(
            f"{kind}: {median(elapsed):.2f} s, {describe_ratio(elapsed, base[0])} of one question,"
            f" in processor time {describe_ratio(processor, base[1])}, {rounds} rounds"
        )


if __name__ == "__main__":
    main()
