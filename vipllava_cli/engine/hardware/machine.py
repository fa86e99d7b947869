"""The devices of a machine, their free memory, and how fast they compute."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

import psutil

from vipllava_cli.engine.options import gpu_number
from vipllava_cli.images.memory import free_memory
from vipllava_cli.storage.folders import check_working_folder

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Location = int | str
"""Where weights can be stored: the number of a GPU, `cpu`, `mps` or `disk`."""

# The optional packages, and how to install them.
EXTRAS: Mapping[str, str] = {
    "torchao": "pip install 'vipllava[int8]'",
    "bitsandbytes": "pip install 'vipllava[nf4]'",
    "flash_attn": "pip install flash-attn",
}

DISK_BANDWIDTH = 1.5e9  # bytes/s, assumed: a solid-state disk
BUS_BANDWIDTH = 16e9  # bytes/s, assumed: from memory to a GPU

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


@dataclass(frozen=True)
class Memory:
    """The memory of a device, in bytes."""

    total: int
    free: int


class Origin(StrEnum):
    """Where the figure of a speed comes from."""

    measured = "measured"
    given = "given"
    assumed = "assumed"


@dataclass(frozen=True)
class Speed:
    """How fast a device computes.

    `bandwidth` is the bytes/s that a product with one row reads. `operations` is the operations/s of
    a product with many rows, or on a CPU of a decoder layer.
    """

    bandwidth: float
    operations: float
    bandwidth_origin: Origin = Origin.measured
    operations_origin: Origin = Origin.measured


ASSUMED_GPU = Speed(300e9, 20e12, Origin.assumed, Origin.assumed)


@dataclass(frozen=True)
class Machine:
    """The devices of a machine.

    `names` has the name of every GPU by number. `gpus` has the memory of each GPU that may be used.
    `fast_bf16` says whether the CPU has instructions for bfloat16 products. `half_dtype` is the
    16-bit type in which these GPUs are fast.
    `packages` are the installed ones of EXTRAS. `threads` is the number of threads that torch uses
    on the CPU.
    """

    cpu: Memory
    gpus: Mapping[int, Memory]
    names: Mapping[int, str]
    mps: bool
    fast_bf16: bool
    half_dtype: str = "bf16"
    packages: frozenset[str] = frozenset()
    threads: int = 1

    @property
    def devices(self) -> tuple[str, ...]:
        """The kinds of device on this machine, fastest first."""
        present = {"cuda": bool(self.gpus), "mps": self.mps, "cpu": True}
        return tuple(name for name, is_present in present.items() if is_present)


def inspect_machine(only_gpu: int | None = None) -> Machine:
    """Inspect this machine as it is now. Imports torch.

    With `only_gpu`, ask no other GPU for its memory: even that takes memory there, which fails
    where another program has taken all of it.
    """
    check_working_folder()
    import torch

    present = range(torch.cuda.device_count()) if torch.cuda.is_available() else range(0)
    gpus = [number for number in present if only_gpu in {None, number}]
    return Machine(
        cpu=location_memory("cpu"),
        gpus={number: location_memory(number) for number in gpus},
        names={number: torch.cuda.get_device_name(number) for number in present},
        mps=torch.backends.mps.is_available(),
        fast_bf16=has_fast_bf16(),
        half_dtype="bf16" if all(map(_has_bf16, gpus)) else "fp16",
        packages=frozenset(name for name in EXTRAS if find_spec(name) is not None),
        threads=torch.get_num_threads(),
    )


def _has_bf16(gpu: int) -> bool:
    import torch

    with torch.cuda.device(gpu):  # torch asks the current device
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def location_memory(location: Location) -> Memory:
    """Return the memory of a GPU of this machine, or else the main memory, which `mps` shares.

    Free memory of the CPU stays within the limit of a container. Free memory of a GPU includes what
    torch's allocator holds and does not use.
    """
    if not isinstance(location, int):
        return Memory(int(psutil.virtual_memory().total), free_memory())
    import torch

    free, total = torch.cuda.mem_get_info(location)
    unused = torch.cuda.memory_reserved(location) - torch.cuda.memory_allocated(location)
    return Memory(total, free + unused)


def has_fast_bf16() -> bool:
    """Return whether this CPU has instructions for products of bfloat16 matrices."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def measure_speed(device: str, dtype: str) -> Speed:
    """Time products for a fraction of a second on a device of this machine.

    `dtype` is `fp32`, `bf16` or `fp16`.
    """
    return Speed(measure_bandwidth(device, dtype), measure_operations(device, dtype))


@cache
def measure_bandwidth(device: str, dtype: str) -> float:
    """Measure the bytes/s that a product with one row reads. See `measure_speed`."""
    import torch

    products, size = _CPU_PRODUCTS, _CPU_PRODUCTS.size
    gpu = gpu_number(device)
    if gpu is not None:
        products, size = _GPU_PRODUCTS, min(_GPU_PRODUCTS.size, location_memory(gpu).free // 4)
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

    is_gpu = gpu_number(device) is not None
    products = _GPU_PRODUCTS if is_gpu else _CPU_PRODUCTS
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
        times.append((time.perf_counter() - start) / repeats)
    return min(times[1:])
