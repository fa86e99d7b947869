"""Decoding at batch 1, against the machine's bandwidth."""

from collections.abc import Iterator

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, summarize


def run(bench: Bench) -> Iterator[Measure]:
    """Measure tokens per second, and the bytes of weights and cache read per second."""
    from benchmarks.limits import bytes_per_token, copy_bandwidth
    from benchmarks.scenarios.answering import token_seconds

    engine = bench.open()
    tokens = bench.choose(128 if bench.on_cuda else 48, 8)
    times, context = token_seconds(engine, tokens, bench.choose(5, 2))
    size = bytes_per_token(engine.placement.needs, context)
    rates = [size / each for each in times]
    limit = copy_bandwidth(bench.device)
    dtype = engine.placement.dtype_name
    yield summarize(f"tokens after the first, {dtype}", [1 / each for each in times], "tokens/s")
    yield summarize("weights and cache read", [rate / 1e9 for rate in rates], "GB/s")
    yield summarize(
        "share of the copy bandwidth",
        [rate / limit for rate in rates],
        goal=f"at least {0.75 if bench.on_cuda else 0.8}",
    )
