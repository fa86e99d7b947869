"""Measure how fast a device of this machine computes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle
from typing import TYPE_CHECKING

from vipllava_cli.engine.hardware.machine import location_memory
from vipllava_cli.engine.hardware.speed import Speed, TokenCosts
from vipllava_cli.engine.options import gpu_number

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_TIMED_SECONDS = 0.15


@dataclass(frozen=True)
class _Products:
    """The products that measure a speed.

    `rows` x `side` by `side` x `side` is limited by arithmetic; on a CPU, a decoder layer of this width
    takes its place. One row by a matrix of `size` bytes is limited by memory. `repeats` products run
    before the clock stops.
    """

    rows: int
    side: int
    size: int
    repeats: int = 1


# A GPU finishes the products of a CPU sooner than Python starts the next one.
_CPU_PRODUCTS = _Products(256, 1024, 128 << 20)  # more than the caches of a CPU hold
_GPU_PRODUCTS = _Products(4096, 4096, 512 << 20, repeats=10)


# The KV cache of one layer, and the heads of a layer whose weights take next to no time.
_CACHED_TOKENS, _CACHED_HEADS, _HEAD_SIZE = 640, 16, 64
_FEW_HEADS = 2


def measure_speed(device: str, dtype: str, prompt_dtype: str | None = None) -> Speed:
    """Time products for a fraction of a second on a device of this machine.

    `dtype` is `fp32`, `bf16` or `fp16`. Prompts are computed in `prompt_dtype`, by default the same.
    """
    return Speed(
        measure_bandwidth(device, dtype),
        measure_operations(device, prompt_dtype or dtype),
        token_costs=measure_token_costs(dtype) if device == "cpu" else None,
    )


@cache
def measure_bandwidth(device: str, dtype: str) -> float:
    """Measure the bytes/s that a product with one row reads. See `measure_speed`."""
    import torch

    products, size = _CPU_PRODUCTS, _CPU_PRODUCTS.size
    if device != "cpu":
        number = gpu_number(device)
        free = location_memory(device if number is None else number).free
        products, size = _GPU_PRODUCTS, min(_GPU_PRODUCTS.size, free // 4)
    kind, side = _dtype(dtype), products.side
    with torch.inference_mode():
        long = torch.ones(size // kind.itemsize // side, side, dtype=kind, device=device)
        row = torch.ones(1, side, dtype=kind, device=device)
        seconds = _best_seconds(
            lambda: torch.nn.functional.linear(row, long), device, products.repeats
        )
    return long.nbytes / seconds


@cache
def measure_operations(device: str, dtype: str) -> float:
    """Measure the operations/s of products with many rows. See `measure_speed`.

    On a CPU, norms, activations and attention take a third of a prompt, so a whole layer is timed.
    """
    import torch

    products = _CPU_PRODUCTS if device == "cpu" else _GPU_PRODUCTS
    rows, side = products.rows, products.side
    with torch.inference_mode():
        hidden = torch.ones(rows, side, dtype=_dtype(dtype), device=device)
        if device == "cpu":
            weights = [hidden.new_ones(out, side) / side for out in (3 * side, side, 4 * side)]
            weights.append(weights[-1].T.contiguous())
            seconds = _best_seconds(lambda: _run_layer(hidden, weights), device, products.repeats)
            work = 2 * rows * sum(map(torch.numel, weights)) + 4 * rows**2 * side
            return work / seconds
        square = hidden.new_ones(side, side)
        seconds = _best_seconds(
            lambda: torch.nn.functional.linear(hidden, square), device, products.repeats
        )
    return 2 * rows * square.numel() / seconds


@cache
def measure_token_costs(dtype: str) -> TokenCosts:
    """Measure what a new token costs on the CPU besides the products with weights."""
    import torch

    kind, side = _dtype(dtype), _FEW_HEADS * _HEAD_SIZE
    with torch.inference_mode():
        shape = (2, 1, _CACHED_HEADS, _CACHED_TOKENS, _HEAD_SIZE)
        layer = torch.ones(shape, dtype=kind)
        layers = cycle([layer.clone() for _ in range(_CPU_PRODUCTS.size // layer.nbytes)])
        query = layer.new_ones(1, _CACHED_HEADS, 1, _HEAD_SIZE)
        attention = _best_seconds(lambda: _attend_once(query, *next(layers)), "cpu", 8)
        hidden, weight = layer.new_ones(1, 1, side), layer.new_ones(side, side) / side
        few = layer[:, :, :_FEW_HEADS, :1].clone()
        rest = _best_seconds(lambda: _run_step(hidden, weight, *few), "cpu", 8)
    return TokenCosts(layer.nbytes / attention, rest)


def _run_layer(hidden: "Tensor", weights: "Sequence[Tensor]") -> "Tensor":
    """Run a decoder layer over hidden states [rows, side], with heads of 64."""
    from torch.nn.functional import linear, rms_norm, scaled_dot_product_attention, silu

    rows, side = hidden.shape
    attention, out, up, down = weights
    projected = linear(rms_norm(hidden, (side,)), attention)
    attended = scaled_dot_product_attention(
        *projected.view(1, rows, 3, -1, 64).permute(2, 0, 3, 1, 4)
    )
    hidden = hidden + linear(attended.transpose(1, 2).reshape(rows, side), out)
    return hidden + linear(silu(linear(rms_norm(hidden, (side,)), up)), down)


def _run_step(hidden: "Tensor", weight: "Tensor", keys: "Tensor", values: "Tensor") -> "Tensor":
    """Run a decoder layer over one token [1, 1, side]. Its matrices all have the same weight."""
    from torch.nn.functional import linear, rms_norm, silu

    side = hidden.shape[-1]
    normed = rms_norm(hidden, (side,))
    parts = [linear(normed, weight).view(1, 1, -1, _HEAD_SIZE).transpose(1, 2) for _ in range(3)]
    query, key = (_rotate(states, keys[0, 0, 0]) for states in parts[:2])
    keys[:, :, -1:], values[:, :, -1:] = key, parts[2]
    attended = _attend_once(query, keys, values).transpose(1, 2).reshape(1, 1, side)
    hidden = hidden + linear(attended, weight)
    normed = rms_norm(hidden, (side,))
    return hidden + linear(silu(linear(normed, weight)) * linear(normed, weight), weight)


def _rotate(states: "Tensor", angles: "Tensor") -> "Tensor":
    """Turn states [..., size] by angles, as for their positions."""
    half = states.shape[-1] // 2
    rotated = states * angles
    rotated[..., :half].addcmul_(states[..., half:], angles[:half], value=-1)
    rotated[..., half:].addcmul_(states[..., :half], angles[half:])
    return rotated


def _attend_once(query: "Tensor", keys: "Tensor", values: "Tensor") -> "Tensor":
    """Return the attention of one token [1, heads, 1, size], computed in fp32."""
    scores = query.float() @ keys.float().transpose(2, 3)
    return (scores.softmax(-1) @ values.float()).to(query.dtype)


def _dtype(name: str) -> "torch.dtype":
    import torch

    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(name, torch.float32)


def _best_seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """Return the shortest time of several runs, after a warm-up: other processes may slow some down.

    Each run repeats the work, and the time is that of one repetition.
    """
    import torch

    times: list[float] = []
    while len(times) < 4 or sum(times) * repeats < _TIMED_SECONDS:
        start = time.perf_counter()
        for _ in range(repeats):
            work()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        elif device == "mps":
            torch.mps.synchronize()
        times.append((time.perf_counter() - start) / repeats)
    return min(times[1:])
