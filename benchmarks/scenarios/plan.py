"""What `vipllava plan` predicts, against what an answer of the planned length takes."""

import resource
from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

import psutil

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, seconds, summarize

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.placement_types import Placement

TOKENS = 64  # of the answer
MEMORY_GOAL, SPEED_GOAL = "0.95 to 1.05", "0.7 to 1.3"


def predicted_bytes(placement: "Placement") -> int:
    """Return the memory that `plan` shows for the device that computes."""
    from vipllava_cli.engine.hardware.placement_types import compute_location

    location = compute_location("cpu", placement.main_device)
    needs = placement.needs
    fixed = placement.weights_at(location) + needs.workspace + needs.activations
    return fixed + placement.cache_at(location)


def run(bench: Bench) -> Iterator[Measure]:
    """Plan, load, answer, compare. Needs a process of its own."""
    from benchmarks.scenarios.answering import answer, new_prompt, prefill_seconds, token_seconds
    from vipllava_cli.engine.hardware.estimate import make_plan
    from vipllava_cli.engine.hardware.load_options import LoadOptions

    model = bench.model()
    sample = make_plan(model, None, LoadOptions(bench.device))
    length = sample.estimate.prompt_tokens + TOKENS
    plan = make_plan(model, None, LoadOptions(bench.device, length=length))
    bench.close()
    before = start_memory(bench)
    yield Measure("loading", seconds(bench.open), "s")
    engine = bench.open()
    answer(engine, new_prompt(engine), TOKENS)
    taken, predicted = peak_memory(bench) - before, predicted_bytes(plan.placement)
    yield Measure("memory predicted", predicted / 2**30, "GiB")
    yield Measure("memory measured", taken / 2**30, "GiB", note=_MEMORY_NOTES[bench.on_cuda])
    yield Measure("memory predicted / measured", predicted / taken, goal=MEMORY_GOAL)
    rounds = bench.choose(3, 1)
    prompts = prefill_seconds(engine, rounds)
    tokens, _ = token_seconds(engine, bench.choose(TOKENS, 8), rounds)
    estimate = plan.estimate
    yield Measure("prompt predicted", 1000 * estimate.prompt_seconds, "ms")
    yield summarize("prompt measured", [1000 * each for each in prompts], "ms")
    yield Measure("tokens predicted", estimate.tokens_per_second, "tokens/s")
    yield summarize("tokens measured", [1 / each for each in tokens], "tokens/s")
    ratio = estimate.tokens_per_second * median(tokens)
    yield Measure("tokens/s predicted / measured", ratio, goal=SPEED_GOAL)
    ratio = estimate.prompt_seconds / median(prompts)
    yield Measure("prompt predicted / measured", ratio, goal=SPEED_GOAL)


_MEMORY_NOTES = {
    True: "the peak of torch's tensors",
    False: "the peak of the process, with the mapped weights that it read",
}


def start_memory(bench: Bench) -> int:
    """Start to watch the memory. Returns the bytes in use: on a GPU those of torch's tensors."""
    if not bench.on_cuda:
        return psutil.Process().memory_info().rss
    import torch

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(bench.device)
    return torch.cuda.memory_allocated(bench.device)


def peak_memory(bench: Bench) -> int:
    """Return the peak of the bytes in use."""
    if not bench.on_cuda:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    import torch

    return torch.cuda.max_memory_allocated(bench.device)
