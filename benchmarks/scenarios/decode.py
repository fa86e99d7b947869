"""Decoding at batch 1 in each precision, against the machine's bandwidth."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, summarize, summarize_ratio

if TYPE_CHECKING:
    from vipllava_cli.engine.local.generate import LocalEngine

PRECISIONS = ("auto", "fp32", "fp16")  # of a CPU; a GPU has one


def run(bench: Bench) -> Iterator[Measure]:
    """Measure tokens per second, and the bytes of weights and cache read per second."""
    shares: dict[str, Measure] = {}
    for precision in PRECISIONS[: 1 if bench.on_cuda else None]:
        engine = bench.open(dtype=precision)
        dtype = engine.placement.dtype_name
        if dtype in shares:  # `auto` has chosen it
            continue
        measures = list(_measure(bench, engine, dtype))
        yield from measures
        shares[dtype] = measures[-1]
    best = max(shares.values(), key=lambda share: share.value)
    goal = f"at least {0.75 if bench.on_cuda else 0.8}"
    yield Measure("best share of the copy bandwidth", best.value, goal=goal, note=best.what)


def _measure(bench: Bench, engine: "LocalEngine", dtype: str) -> Iterator[Measure]:
    """Measure one precision, and last its share of the bandwidth, which each round measures anew."""
    from benchmarks.limits import bytes_per_token, copy_bandwidth
    from benchmarks.scenarios.answering import token_seconds

    tokens = bench.choose(128 if bench.on_cuda else 48, 8)
    times: list[float] = []
    limits: list[float] = []
    context = 0.0
    for _ in range(bench.choose(5, 1)):
        limits.append(copy_bandwidth(bench.device))
        taken, context = token_seconds(engine, tokens, 1)
        times += taken
    size = bytes_per_token(engine.placement.needs, context)
    rates = [size / each for each in times]
    yield summarize(f"tokens after the first, {dtype}", [1 / each for each in times], "tokens/s")
    yield summarize(f"weights and cache read, {dtype}", [rate / 1e9 for rate in rates], "GB/s")
    yield summarize_ratio(f"share of the copy bandwidth, {dtype}", rates, limits)
