"""A batch of several fields a region, against a batch of one question a region.

The regions are objects of clip-art scenes, each in an image of its own. The time is that of the
processor, from the image files to the records on the disk: other programs do not count.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, summarize, summarize_ratio

if TYPE_CHECKING:
    from vipllava_cli.flows.batch.task import BatchTask
    from vipllava_cli.sources.rows import Row

QUESTION = "what is {1}?"
CHOSEN = (
    'kind "what kind of thing is {1}?": an animal|food|a vehicle|furniture;'
    ' dog "is {1} a dog?": yes|no; thing "what is {1}?": a dog|a cat|a bus|an egg;'
    ' color "what color is the mark?": red|blue|lime|yellow'
)
WITH_TEXT = CHOSEN.replace("a dog|a cat|a bus|an egg", "free")
ONE = "one question"


def make_rows(folder: Path, count: int) -> "list[Row]":
    """Write the images of the regions. Returns a row for each."""
    from vipllava_cli.flows.evals.clipart.scenes import (
        HELD_OUT,
        SIMPLE,
        make_scene,
        mark_scene,
        scene_rng,
    )
    from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json
    from vipllava_cli.sources.rows import Row

    folder.mkdir()
    rows = []
    for number in range(count):
        rng = scene_rng(HELD_OUT, 9000 + number)
        marked = mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE)
        path = folder / f"{number}.png"
        marked.scene.image.save(path)
        rows.append(Row(path.name, str(path), (mark_from_json(mark_to_json(marked.marks[0])),)))
    return rows


def iter_tasks(model: tuple[str, str]) -> "Iterator[tuple[str, BatchTask]]":
    """Yield the kinds of batches by name."""
    from vipllava_cli.engine.options import GenerationOptions
    from vipllava_cli.flows.batch.task import BatchTask
    from vipllava_cli.flows.fields.grammar import parse_fields

    yield ONE, BatchTask(model, (QUESTION,))
    choices = GenerationOptions(choices=("a dog", "a cat", "a bus", "an egg"))
    yield "one question with four choices", BatchTask(model, (QUESTION,), options=choices)
    for name, text in (
        ("four fields with choices", CHOSEN),
        ("three fields with choices and a text", WITH_TEXT),
    ):
        yield name, BatchTask(model, options=GenerationOptions(fields=parse_fields(text)))


def run(bench: Bench) -> Iterator[Measure]:
    """Measure the batches in turn. A first round warms up."""
    from benchmarks.running import run_task
    from vipllava_cli.storage.journal import read_journal

    engine = bench.open()
    tasks = dict(iter_tasks((engine.info.name, engine.info.revision)))
    rows = make_rows(bench.folder / "fields", bench.choose(50, 4))
    out = bench.folder / "fields.jsonl"
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for _ in range(bench.choose(4, 1) + 1):
        for name, task in tasks.items():
            start = time.process_time()
            run_task(engine, rows, out, task)
            times[name].append(time.process_time() - start)
            assert len(list(read_journal(out))) == len(rows)
    base = times.pop(ONE)[1:]
    yield summarize(f"{ONE}, processor time", base, "s", note=f"{len(rows)} regions")
    for name, values in times.items():
        yield summarize_ratio(f"{name} relative to {ONE}", values[1:], base)
