"""A prompt and its first token, against the machine's matrix peak, which each round measures anew."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, seconds, summarize, summarize_ratio

BATCH = 8


def run(bench: Bench) -> Iterator[Measure]:
    """Measure one prompt, and a batch of prompts about different images."""
    from benchmarks.limits import matrix_peak, prompt_operations
    from benchmarks.scenarios.answering import new_prompt, prefill_seconds
    from vipllava_cli.engine.options import GenerationOptions

    engine = bench.open()
    needs = engine.placement.needs
    dtype = "fp32" if needs.widened else needs.dtype
    work = prompt_operations(needs, len(new_prompt(engine).ids))
    times: list[float] = []
    peaks: list[float] = []
    for _ in range(bench.choose(7, 2)):
        peaks.append(matrix_peak(bench.device, dtype))
        times += prefill_seconds(engine, 1)
    rates = [work / each for each in times]
    goal = f"at least {0.45 if bench.on_cuda else 0.6}"
    yield summarize("prompt and first token", [1000 * each for each in times], "ms")
    yield summarize("arithmetic of one prompt", [rate / 1e12 for rate in rates], "TFLOP/s")
    yield summarize_ratio("share of the matrix peak", rates, peaks, goal)
    one = GenerationOptions(max_new_tokens=1)
    shares = []
    for number in range(bench.choose(4, 2)):
        prompts = [new_prompt(engine, BATCH * number + row) for row in range(BATCH)]
        peak = matrix_peak(bench.device, dtype)
        taken = seconds(lambda p=prompts: engine.answer_batch(p, one))  # type: ignore[misc]
        shares.append(BATCH * work / taken / peak)
    yield summarize(f"share of the matrix peak, {BATCH} prompts at once", shares[1:])
