"""A prompt and its first token, against the machine's matrix peak."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, seconds, summarize

BATCH = 8


def run(bench: Bench) -> Iterator[Measure]:
    """Measure one prompt, and a batch of prompts about different images."""
    from benchmarks.limits import matrix_peak, prompt_operations
    from benchmarks.scenarios.answering import new_prompt, prefill_seconds
    from vipllava_cli.engine.options import GenerationOptions

    engine = bench.open()
    needs = engine.placement.needs
    rounds = bench.choose(7, 2)
    times = prefill_seconds(engine, rounds)
    work = prompt_operations(needs, len(new_prompt(engine).ids))
    peak = matrix_peak(bench.device, "fp32" if needs.widened else needs.dtype)
    goal = f"at least {0.45 if bench.on_cuda else 0.6}"
    yield summarize("prompt and first token", [1000 * each for each in times], "ms")
    yield summarize("arithmetic of one prompt", [work / each / 1e12 for each in times], "TFLOP/s")
    yield summarize("share of the matrix peak", [work / each / peak for each in times], goal=goal)
    one = GenerationOptions(max_new_tokens=1)
    batches = []
    for number in range(bench.choose(4, 2)):
        prompts = [new_prompt(engine, BATCH * number + row) for row in range(BATCH)]
        batches.append(seconds(lambda p=prompts: engine.answer_batch(p, one)))  # type: ignore[misc]
    yield summarize(
        f"share of the matrix peak, {BATCH} prompts at once",
        [BATCH * work / each / peak for each in batches[1:]],
    )
