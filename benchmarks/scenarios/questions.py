"""Several questions about one image, which the model reads once.

In one call against a call for each; and in a batch against the loop of the model's page, against the
pipeline in batches, and against rows of their own.
"""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, interleave, summarize_ratio
from benchmarks.scenes import QUESTIONS

TOKENS = 8
LOOP, PIPELINE = "the loop of the model's page", "the pipeline in batches"
ONE, SEPARATE = "one call", "a call for each question"


def run(bench: Bench) -> Iterator[Measure]:
    """Measure both."""
    yield from compare_calls(bench)
    yield from compare_batches(bench)


def compare_calls(bench: Bench) -> Iterator[Measure]:
    """Compare one call with five questions with five calls."""
    from PIL import Image

    from vipllava_cli.engine.options import GenerationOptions

    engine = bench.open()
    image = Image.effect_noise((336, 336), 80).convert("RGB")
    questions = QUESTIONS[: bench.choose(5, 2)]
    options = GenerationOptions(max_new_tokens=4)

    def answer_in_one_call() -> list[str]:
        view = engine.view(image)
        prompts = [engine.prompt(view, question) for question in questions]
        return [answer.text for answer in engine.answer(prompts, options)]

    def answer_separately() -> list[str]:
        prompts = [engine.prompt(engine.view(image), question) for question in questions]
        return [answer.text for answer in engine.answer(prompts, options)]

    assert answer_in_one_call() == answer_separately()
    times = interleave(
        {SEPARATE: answer_separately, ONE: answer_in_one_call}, bench.choose(3, 1), warm_up=False
    )
    what = f"time of {len(questions)} calls relative to one with {len(questions)} questions"
    yield summarize_ratio(what, times[SEPARATE], times[ONE])


def compare_batches(bench: Bench) -> Iterator[Measure]:
    """Compare a batch with eight questions an image with what asks them one by one."""
    from benchmarks import baselines
    from benchmarks.running import rows_of, run_batch
    from benchmarks.scenes import write_scenes
    from vipllava_cli.sources.rows import Row

    engine = bench.open()
    questions = QUESTIONS[: bench.choose(8, 2)]
    paths = write_scenes(bench.folder / "scenes", 2)
    few, out = paths[:1], bench.folder / "questions.jsonl"
    rows = rows_of(paths, questions)
    separate = [
        Row(f"{path.name}-{number}", str(path), questions=(question,))
        for path in paths
        for number, question in enumerate(questions)
    ]
    answers = run_batch(engine, rows, out, TOKENS)
    assert answers == run_batch(engine, separate, out, TOKENS)
    times = interleave(
        {
            "batch": lambda: run_batch(engine, rows, out, TOKENS),
            "rows of one question": lambda: run_batch(engine, separate, out, TOKENS),
            LOOP: lambda: baselines.run_documented_loop(engine, few, TOKENS, questions),
            PIPELINE: lambda: baselines.run_pipeline(
                engine, few, TOKENS, len(questions), questions
            ),
        },
        bench.choose(2, 1),
        warm_up=not bench.is_quick,
    )
    images = dict(zip(times, (len(paths), len(paths), len(few), len(few)), strict=True))
    ours = [each / len(paths) for each in times.pop("batch")]
    goals = {LOOP: "at least 8", PIPELINE: "at least 3"}
    for name, values in times.items():
        theirs = [each / images[name] for each in values]
        what = f"{len(questions)} questions an image: batch relative to {name}"
        yield summarize_ratio(what, theirs, ours, goals.get(name, ""))
