"""Speeds estimated from bandwidth and arithmetic."""

from dataclasses import replace

import pytest

from tests.support.machines import GIB, LAPTOP, SMALL_GPU, spec_of
from vipllava_cli.engine.hardware.estimate import Estimate, estimate
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import Machine, Memory
from vipllava_cli.engine.hardware.model_spec import HEAD
from vipllava_cli.engine.hardware.placement import plan_placement
from vipllava_cli.engine.hardware.speed import ASSUMED_GPU, BUS_BANDWIDTH, Speed, TokenCosts

H100 = Speed(3.35e12, 5e14)


def estimate_on(machine: Machine, speed: Speed) -> Estimate:
    """Estimate the 7B on a machine whose devices all have this speed."""
    placement = plan_placement(spec_of("7b"), LoadOptions(), machine)
    return estimate(placement, lambda _: speed)


def test_a_gpu_that_holds_the_7b_is_limited_by_its_bandwidth() -> None:
    card = replace(SMALL_GPU, gpus={0: Memory(80 * GIB, 78 * GIB)})
    result = estimate_on(card, H100)
    assert result.prompt_tokens == 636
    assert result.tokens_per_second == pytest.approx(247, rel=0.05)  # 13.2 GB and the KV cache
    assert result.prompt_seconds == pytest.approx(8.7e12 / H100.operations, rel=0.05)
    assert result.assumed == ()


def test_the_head_computes_one_token_and_the_tower_attends() -> None:
    """Compare with the arithmetic of the parts: two operations for each weight and token."""
    card = replace(SMALL_GPU, gpus={0: Memory(80 * GIB, 78 * GIB)})
    work = estimate_on(card, H100).prompt_seconds * H100.operations
    layers = 32 * (2 * 202.4e6 * 636 + 2 * 636**2 * 4096)
    tower = 2 * 303.5e6 * 576 + 4 * 24 * 1024 * 576**2
    projector = 2 * (5120 * 4096 + 4096**2) * 576
    head = 2 * 4096 * 32064
    assert work == pytest.approx(layers + tower + projector + head, rel=0.005)


def test_weights_beside_a_gpu_cross_the_bus_for_every_token() -> None:
    placement = plan_placement(spec_of("7b"), LoadOptions(), SMALL_GPU)
    result = estimate(placement, lambda _: H100)
    assert result.tokens_per_second < BUS_BANDWIDTH / (placement.weights_at("cpu") * 0.9)
    assert result.assumed == ("a bus of 16 GB/s",)


def test_layers_on_the_disk_are_slowest() -> None:
    small = replace(LAPTOP, cpu=Memory(8 * GIB, 6 * GIB))
    cpu = Speed(2e10, 5e11)
    large = replace(LAPTOP, cpu=Memory(32 * GIB, 30 * GIB))
    on_disk, in_memory = estimate_on(small, cpu), estimate_on(large, cpu)
    assert on_disk.tokens_per_second < in_memory.tokens_per_second / 3
    assert on_disk.assumed == ("a disk of 1.5 GB/s",)


def test_a_token_takes_longer_than_its_weights() -> None:
    """It also reads the KV cache, and each of the 32 layers takes time of its own."""
    card = replace(SMALL_GPU, gpus={0: Memory(80 * GIB, 78 * GIB)})
    cached = 2 * 32 * 4096 * 636 * 2
    without = 1 / estimate_on(card, H100).tokens_per_second - cached / H100.bandwidth
    costs = replace(H100, token_costs=TokenCosts(cache_bandwidth=1e11, layer_seconds=1e-4))
    token = 1 / estimate_on(card, costs).tokens_per_second
    assert token - without == pytest.approx(cached / 1e11 + 32 * 1e-4)


def test_a_tied_head_reads_the_embeddings_for_every_token() -> None:
    card = replace(SMALL_GPU, gpus={0: Memory(80 * GIB, 78 * GIB)})
    spec = spec_of("7b")
    parts = (replace(part, parameters=0) if part.kind == HEAD else part for part in spec.parts)
    tied = plan_placement(replace(spec, parts=tuple(parts)), LoadOptions(), card)
    result, stored = estimate(tied, lambda _: H100), estimate_on(card, H100)
    assert result.tokens_per_second == pytest.approx(stored.tokens_per_second)
    assert result.prompt_seconds == pytest.approx(stored.prompt_seconds)


def test_an_assumed_speed_is_named() -> None:
    card = replace(SMALL_GPU, gpus={0: Memory(24 * GIB, 20 * GIB)})
    result = estimate_on(card, ASSUMED_GPU)
    assert result.assumed == ("GPU 0 with 300 GB/s and 20 TFLOP/s",)
