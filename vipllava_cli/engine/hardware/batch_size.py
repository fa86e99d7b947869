"""How many prompts fit into memory as one batch. The plan and the engine use the same formula."""

from collections.abc import Callable, Mapping

from vipllava_cli.engine.hardware.machine import Location, Memory, location_memory
from vipllava_cli.engine.hardware.placement_types import Placement, compute_location

# Larger batches are not faster: measured with the shipped model on two cores. On a CPU the limit
# applies to each thread that answers a part of the batch.
MAX_BATCH_SIZE: Mapping[str, int] = {"cpu": 32, "cuda": 64, "mps": 16}

SMALL_MODEL_BYTES = 256 << 20  # weights that a CPU core reads as fast as it computes with them

_MIN_CPU_RESERVE = 512 << 20  # bytes of main memory that stay free for other programs


def usable_memory(location: Location, free: int) -> int:
    """Return how many of the `free` bytes to use: 90 % of a GPU, 95 % of main memory."""
    if isinstance(location, int):
        return free * 9 // 10
    return max(free - max(free // 20, _MIN_CPU_RESERVE), 0)


def answer_threads(placement: Placement, cores: int) -> int:
    """Return how many threads share a batch, each with complete prompts.

    Only a small model on a CPU gets more than one: its operations are so short that threads that
    share one operation mostly wait for each other. A large model reads its weights once for all
    prompts instead.
    """
    is_small = placement.needs.all_weights <= SMALL_MODEL_BYTES
    return cores if placement.main_device == "cpu" and is_small else 1


def planned_batch_size(placement: Placement, cores: int) -> int:
    """Predict how many prompts fit before the weights are loaded."""
    spare = {
        location: budget - placement.weights_at(location)
        for location, budget in placement.budgets.items()
    }
    return _max_batch_size(placement, spare, cores)


def current_batch_size(
    placement: Placement,
    cores: int,
    memory_of: Callable[[Location], Memory] = location_memory,
) -> int:
    """Return how many prompts fit now that the weights are loaded.

    This is the predicted number unless other programs have taken memory since.
    """
    spare = {
        location: min(
            budget - placement.weights_at(location),
            usable_memory(location, memory_of(location).free),
        )
        for location, budget in placement.budgets.items()
    }
    return _max_batch_size(placement, spare, cores)


def _max_batch_size(placement: Placement, spare: Mapping[Location, int], cores: int) -> int:
    """Divide the memory that the weights leave at each location by the memory of one prompt."""
    needs, main_device = placement.needs, placement.main_device
    limit = MAX_BATCH_SIZE[main_device.partition(":")[0]] * answer_threads(placement, cores)
    fits = [limit]
    for location, free in spare.items():
        per_prompt = placement.cache_at(location)
        if location == compute_location("cpu", main_device):
            per_prompt += needs.activations
            free -= needs.workspace  # noqa: PLW2901
        if per_prompt:
            fits.append(free // per_prompt)
    return max(min(fits), 1)
