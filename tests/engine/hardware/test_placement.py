"""The placement of models on machines of several sizes."""

from dataclasses import replace
from itertools import pairwise

import pytest

from tests.support.machines import (
    FOUR_GPUS,
    GIB,
    LAPTOP,
    QUANTIZING_PACKAGES,
    SMALL_GPU,
    spec_of,
)
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import Memory
from vipllava_cli.engine.hardware.model_spec import PROJECTOR, TOWER
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.engine.hardware.placement_types import Placement
from vipllava_cli.errors import ModelError


def check(placement: Placement) -> Placement:
    """Check that every part has a location, in order, and that no location exceeds its budget."""
    assert set(placement.locations) == {part.module for part in placement.needs.spec.parts}
    for location, budget in placement.budgets.items():
        assert placement.weights_at(location) + placement.cache_at(location) <= budget
    order = [*placement.budgets, "disk"]
    positions = [order.index(location) for location in placement.locations.values()]
    assert all(one <= next_one for one, next_one in pairwise(positions))
    return placement


def test_a_7b_in_16_bits_fits_on_a_card_of_16_gib() -> None:
    card = replace(SMALL_GPU, gpus={0: Memory(24 * GIB, 20 * GIB)})
    placement = check(plan_placement(spec_of("7b"), LoadOptions(), card))
    assert placement.device_map == {"": 0}
    assert (placement.main_device, placement.needs.dtype) == ("cuda:0", "bf16")
    assert placement.batch_size > 1


def test_a_7b_is_spread_over_a_small_gpu_and_the_cpu() -> None:
    placement = check(plan_placement(spec_of("7b"), LoadOptions(), SMALL_GPU))
    assert set(placement.locations.values()) == {0, "cpu"}
    kinds = {part.module: part.kind for part in spec_of("7b").parts}
    vision = {name for name, kind in kinds.items() if kind in {TOWER, PROJECTOR}}
    assert {placement.locations[name] for name in vision} == {0}
    assert placement.cache_at("cpu") == 0  # the cache is on the device that computes the layers


def test_a_gpu_that_computes_holds_a_part() -> None:
    """Without any part on a GPU, accelerate computes all others on the CPU, and inputs do not follow."""
    for size in range(1792, 3072, 64):  # MiB: at first too few for the vision tower
        card = replace(SMALL_GPU, gpus={0: Memory(4 * GIB, size << 20)})
        placement = plan_placement(spec_of("7b"), LoadOptions(), card)
        assert 0 in placement.locations.values(), size


@pytest.mark.parametrize("quantize", [None, "nf4"])
def test_a_first_gpu_that_others_use_stays_empty(quantize: str | None) -> None:
    """The prompts go where the model is."""
    for free in (0, GIB // 4, GIB // 2, 3 * GIB // 4):
        cards = {0: Memory(24 * GIB, free), 1: Memory(24 * GIB, 23 * GIB)}
        shared = replace(SMALL_GPU, gpus=cards, packages=QUANTIZING_PACKAGES)
        placement = plan_placement(spec_of("7b"), LoadOptions(quantize=quantize), shared)
        assert (placement.device_map, placement.main_device) == ({"": 1}, "cuda:1")
        assert placement.batch_size > 1


def test_several_gpus_take_equal_shares() -> None:
    placement = check(plan_placement(spec_of("13b"), LoadOptions(), FOUR_GPUS))
    weights = [placement.weights_at(number) / GIB for number in range(4)]
    assert max(weights) - min(weights) < 2


def test_weights_that_exceed_memory_stay_on_the_disk() -> None:
    small = replace(LAPTOP, cpu=Memory(8 * GIB, 6 * GIB))
    placement = check(plan_placement(spec_of("7b"), LoadOptions(), small))
    assert placement.main_device == "cpu"
    assert placement.weights_at("disk") > 8 * GIB


def test_a_model_that_cannot_fit_is_refused_with_what_would_fit() -> None:
    small = replace(LAPTOP, cpu=Memory(8 * GIB, 6 * GIB), packages=QUANTIZING_PACKAGES)
    with pytest.raises(ModelError, match=r"7\.2 GiB of weights as int8.*--quantize nf4"):
        plan_placement(spec_of("7b"), LoadOptions(quantize="int8"), small)
    tiny_memory = replace(LAPTOP, cpu=Memory(2 * GIB, GIB))
    with pytest.raises(ModelError, match="a smaller model, or more memory"):
        plan_placement(spec_of("7b"), LoadOptions(), tiny_memory)


def test_memory_limits_of_the_user_never_exceed_what_is_free() -> None:
    limits = LoadOptions(max_memory={"cpu": 64 * GIB})
    spec = spec_of("7b")
    assert plan_placement(spec, limits, LAPTOP).budgets["cpu"] < 13 * GIB
    assert plan_placement(spec, limits, LAPTOP, hypothetical=True).budgets["cpu"] == 64 * GIB
    with pytest.raises(ModelError, match=r"no GPU 1 for --max-memory: .* cuda:0 \(a GPU\), cpu"):
        plan_placement(spec, LoadOptions(max_memory={1: GIB}), SMALL_GPU)
