"""The batch size that a plan predicts and an engine uses."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.machines import GIB, LAPTOP, SMALL_GPU, spec_of
from vipllava_cli.engine.hardware.batch_size import MAX_BATCH_SIZE, current_batch_size
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import Location, Machine, Memory
from vipllava_cli.engine.hardware.placement import plan_placement

CARD = replace(SMALL_GPU, gpus={0: Memory(24 * GIB, 20 * GIB)})
LARGE_CARD = replace(SMALL_GPU, gpus={0: Memory(80 * GIB, 78 * GIB)})
SERVER = replace(LAPTOP, cpu=Memory(32 * GIB, 22 * GIB))


def memory_after_loading(machine: Machine, weights: int) -> Callable[[Location], Memory]:
    """Return what the machine reports once the weights are loaded on its first device."""

    def memory_of(location: Location) -> Memory:
        before = machine.gpus[location] if isinstance(location, int) else machine.cpu
        is_first = isinstance(location, int) or not machine.gpus
        return replace(before, free=before.free - weights * is_first)

    return memory_of


@pytest.mark.parametrize("machine", [CARD, SERVER, LARGE_CARD])
def test_the_size_after_loading_is_the_predicted_one(machine: Machine) -> None:
    placement = plan_placement(spec_of("7b"), LoadOptions(), machine)
    memory_of = memory_after_loading(machine, placement.needs.all_weights)
    assert placement.batch_size > 1
    assert current_batch_size(placement, machine.threads, memory_of) == placement.batch_size


def test_prompts_of_the_predicted_size_fit_and_one_more_does_not() -> None:
    placement = plan_placement(spec_of("7b"), LoadOptions(), CARD)
    needs = placement.needs
    per_prompt = placement.cache_at(0) + needs.activations
    used = placement.weights_at(0) + needs.workspace + placement.batch_size * per_prompt
    assert used <= placement.budgets[0] < used + per_prompt


def test_memory_that_other_programs_took_lowers_the_size() -> None:
    placement = plan_placement(spec_of("7b"), LoadOptions(), CARD)
    assert current_batch_size(placement, 1, lambda _: Memory(24 * GIB, GIB)) == 1


def test_a_memory_limit_of_the_user_lowers_the_size() -> None:
    limited = LoadOptions(max_memory={0: 15 * GIB})
    placement = plan_placement(spec_of("7b"), limited, CARD)
    assert placement.batch_size < plan_placement(spec_of("7b"), LoadOptions(), CARD).batch_size
    memory_of = memory_after_loading(CARD, placement.needs.all_weights)
    assert current_batch_size(placement, 1, memory_of) == placement.batch_size


def test_the_size_is_limited_by_device_and_threads() -> None:
    assert (
        plan_placement(spec_of("7b"), LoadOptions(), LARGE_CARD).batch_size
        == (MAX_BATCH_SIZE["cuda"])
    )
    cores = replace(LAPTOP, threads=3)
    tiny = plan_placement(spec_of("tiny"), LoadOptions(), cores)
    assert tiny.batch_size == 3 * MAX_BATCH_SIZE["cpu"]
    # Threads do not share the batch of a large model: it reads its weights once for all prompts.
    many_cores = replace(LAPTOP, cpu=Memory(256 * GIB, 200 * GIB), threads=64)
    assert (
        plan_placement(spec_of("7b"), LoadOptions(), many_cores).batch_size
        == (MAX_BATCH_SIZE["cpu"])
    )
