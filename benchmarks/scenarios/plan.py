"""What `vipllava plan` predicts, against what an answer of the planned length takes."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import psutil

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, seconds, summarize
from benchmarks.scenarios.loading import anonymous_memory

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
    memory = GpuMemory(bench.device) if bench.on_cuda else MainMemory()
    yield Measure("loading", seconds(bench.open), "s")
    engine = bench.open()
    answer(engine, new_prompt(engine), TOKENS)
    taken, predicted = memory.taken(), predicted_bytes(plan.placement)
    yield Measure("memory predicted", predicted / 2**30, "GiB")
    yield Measure("memory measured", taken / 2**30, "GiB", note=memory.note)
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


@dataclass
class MainMemory:
    """Watches the memory of this process, from the libraries on.

    Weights in the precision of the file stay mapped, and count where they were read. Files that
    loading reads and drops do not count: the system takes their pages back when it needs memory.
    """

    note = "anonymous memory without the libraries, and the mapped weights that were read"
    _before: int = 0
    _peak: int = 0
    _ended: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        import transformers

        import vipllava_cli.engine.local.engines  # noqa: F401 - before the memory is read

        assert transformers.VipLlavaForConditionalGeneration  # imports its modules
        self._before = anonymous_memory(psutil.Process())
        threading.Thread(target=self._watch, daemon=True).start()

    def taken(self) -> int:
        """Return the peak in bytes, and end."""
        self._ended.set()
        maps = psutil.Process().memory_maps()
        mapped = sum(each.rss for each in maps if each.path.endswith(".safetensors"))
        return self._peak - self._before + mapped

    def _watch(self) -> None:
        while not self._ended.wait(0.01):
            self._peak = max(self._peak, anonymous_memory(psutil.Process()))


class GpuMemory:
    """Watches the memory of torch's tensors on a GPU."""

    note = "the peak of torch's tensors"

    def __init__(self, device: str) -> None:
        import torch

        self._device = device
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        self._before = torch.cuda.memory_allocated(device)

    def taken(self) -> int:
        """Return the peak in bytes."""
        import torch

        return torch.cuda.max_memory_allocated(self._device) - self._before
