"""Compare a batch of four fields a region with a batch of one question a region.

    python -m benchmarks.fields

The regions are 50 objects of clip-art scenes, each in an image of its own, and `tiny` answers. The
first comparison has four fields with choices, the second three of them and a free text. Each round runs
one batch of each kind, from the image files to the records on the disk; the ratios are medians over
the rounds.
"""

import tempfile
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from statistics import median

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


def measure(
    engine: Engine, rows: list[Row], folder: Path, rounds: int
) -> Mapping[str, list[float]]:
    """Time each kind of batch once a round, in seconds. The round before them warms up."""
    tasks = dict(iter_tasks((engine.info.name, engine.info.revision)))
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            taken = seconds(partial(run, engine, rows, folder / f"{name}.jsonl", task))
            if number:
                times[name].append(taken)
    return times


def main(rounds: int = 7) -> None:
    """Print the medians, and the ratios to one question."""
    engine = open_engine("tiny")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        times = measure(engine, make_rows(folder), folder, rounds)
        answered = [len(list(read_journal(folder / f"{task}.jsonl"))) for task in times]
    assert answered == [REGIONS] * len(times)
    print(describe())
    base = times["one question"]
    for task, taken in times.items():
        ratios = [each / one for each, one in zip(taken, base, strict=True)]
        print(
            f"{task}: {median(taken):.2f} s for {REGIONS} regions, {median(ratios):.2f} of one question"
            f" (lowest {min(ratios):.2f}, highest {max(ratios):.2f}, {rounds} rounds)"
        )


if __name__ == "__main__":
    main()
