"""Images per second of `batch`, against what a user would run instead, with one open model.

Every run generates the same tokens in the same precision. The loop of the model's page runs as it is
there, and with a stop at the end of the answer. The pipeline, alone and in batches, and the bare
`generate` stop there, too. Batches have the size of those of `batch`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, interleave, summarize


@dataclass(frozen=True)
class Work:
    """Images of each way to answer, and tokens of an answer."""

    images: int
    loop_images: int
    pipeline_images: int
    tokens: int
    rounds: int


WORKS = {
    "tiny": Work(256, 16, 128, 8, 3),
    "mid": Work(8, 2, 8, 16, 2),
    "7b": Work(64, 2, 64, 64, 2),
}
QUICK = Work(4, 1, 2, 4, 1)


def run(bench: Bench) -> Iterator[Measure]:
    """Measure images per second and their ratios."""
    from benchmarks import baselines
    from benchmarks.running import rows_of, run_batch
    from benchmarks.scenes import QUESTION, write_scenes

    work = bench.choose(WORKS[bench.size], QUICK)
    engine = bench.open()
    paths = write_scenes(bench.folder / "scenes", work.images)
    out = bench.folder / "throughput.jsonl"
    stop = baselines.stop_options(engine)
    some, few = paths[: work.pipeline_images], paths[: work.loop_images]
    size = min(engine.max_batch_size(), len(some))
    tokens = work.tokens
    rows = rows_of(paths, (QUESTION,))
    answers = run_batch(engine, rows, out, tokens)
    looped = baselines.run_documented_loop(engine, few, tokens, **stop)
    same = sum(a == b for a, b in zip(answers, looped, strict=False))
    generate = baselines.prepare_generate(engine, some, tokens, size)
    times = interleave(
        {
            "batch": lambda: run_batch(engine, rows, out, tokens),
            "the loop of the model's page": lambda: baselines.run_documented_loop(
                engine, few, tokens
            ),
            "that loop with a stop": lambda: baselines.run_documented_loop(
                engine, few, tokens, **stop
            ),
            "the pipeline alone": lambda: baselines.run_pipeline(engine, few, tokens, 1),
            "the pipeline in batches": lambda: baselines.run_pipeline(engine, some, tokens, size),
            "generate over ready tensors": generate,
        },
        work.rounds,
    )
    counts = dict(zip(times, (len(rows), *[len(few)] * 3, *[len(some)] * 2), strict=True))
    speeds = {name: [counts[name] / each for each in some] for name, some in times.items()}
    for name, values in speeds.items():
        yield summarize(
            name, values, "images/s", note=f"{tokens} tokens" if name == "batch" else ""
        )
    goals = _GOALS.get(bench.size, {})
    for name in list(times)[1:]:
        ratios = [a / b for a, b in zip(speeds["batch"], speeds[name], strict=True)]
        yield summarize(f"batch relative to {name}", ratios, "times", goals.get(name, ""))
    yield Measure("answers equal to the loop's", same, f"of {len(few)}")


_GOALS = {
    "tiny": {
        "that loop with a stop": "at least 4",
        "the pipeline in batches": "at least 5",
        "generate over ready tensors": "at least 1.5",
    },
    "7b": {
        "the loop of the model's page": "at least 12",
        "the pipeline in batches": "at least 2",
    },
}
