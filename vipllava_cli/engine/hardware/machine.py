"""What this machine has: devices, the memory that is free on them, and how fast they are."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import psutil

from vipllava_cli.images.memory import free_memory

Location = int | str  # a GPU's number, `cpu`, `mps` or `disk`

_TIMED_ROWS = 32  # of a product, as many as make it one of matrices
_TIMED_SIDE = 1024
_TIMED_SECONDS = 0.15
_TIMED_BYTES = 128 << 20  # read through once, more than the caches of a CPU hold
DISK_BANDWIDTH = 1.5e9  # bytes a second, assumed: of a solid-state disk
BUS_BANDWIDTH = 16e9  # bytes a second, assumed: from memory to a GPU


@dataclass(frozen=True)
class Memory:
    """In bytes."""

    total: int
    free: int


@dataclass(frozen=True)
class Speed:
    """Bytes a second that a product with one row reads, and operations a second of one with many."""

    bandwidth: float
    operations: float
    assumed: bool = False


# What can be installed beside the rest, and how.
EXTRAS: Mapping[str, str] = {
    "torchao": "pip install 'vipllava[int8]'",
    "bitsandbytes": "pip install 'vipllava[nf4]'",
    "flash_attn": "pip install flash-attn",
}

ASSUMED_GPU = Speed(300e9, 20e12, assumed=True)


@dataclass(frozen=True)
class Machine:
    """`gpus` and their `names` by number. `fast_bf16` says whether the CPU multiplies bfloat16
    numbers itself, rather than one by one in software.
    """

    cpu: Memory
    gpus: Mapping[int, Memory]
    names: Mapping[int, str]
    mps: bool
    fast_bf16: bool
    half: str = "bf16"  # what GPUs are fast in
    packages: frozenset[str] = frozenset()  # those of EXTRAS that are installed

    @property
    def devices(self) -> tuple[str, ...]:
        """The kinds of device that are here, the best first."""
        here = {"cuda": bool(self.gpus), "mps": self.mps, "cpu": True}
        return tuple(name for name, is_here in here.items() if is_here)


def inspect_machine() -> Machine:
    """What is here now; imports torch."""
    import torch

    gpus = range(torch.cuda.device_count()) if torch.cuda.is_available() else range(0)
    native = bool(gpus) and torch.cuda.is_bf16_supported(including_emulation=False)
    return Machine(
        cpu=cpu_memory(),
        gpus={at: Memory(*reversed(torch.cuda.mem_get_info(at))) for at in gpus},
        names={at: torch.cuda.get_device_name(at) for at in gpus},
        mps=torch.backends.mps.is_available(),
        fast_bf16=has_fast_bf16(),
        half="bf16" if native or not gpus else "fp16",
        packages=frozenset(name for name in EXTRAS if find_spec(name) is not None),
    )


def cpu_memory() -> Memory:
    """What can be taken without swapping, within the limit of a container."""
    return Memory(int(psutil.virtual_memory().total), free_memory())


def has_fast_bf16() -> bool:
    """Whether products of bfloat16 matrices have instructions of their own here."""
    import torch

    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


@cache
def measure_speed(device: str, dtype: str) -> Speed:
    """A fraction of a second of products on a device that is here, for `fp32`, `bf16` or `fp16`."""
    import torch

    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(dtype, torch.float32)
    with torch.inference_mode():
        side = _TIMED_SIDE
        long = torch.ones(_TIMED_BYTES // kind.itemsize // side, side, dtype=kind, device=device)
        square = long[:side]
        row, rows = (torch.ones(n, side, dtype=kind, device=device) for n in (1, _TIMED_ROWS))
        reading = _seconds(lambda: torch.nn.functional.linear(row, long), device)
        counting = _seconds(lambda: torch.nn.functional.linear(rows, square), device)
    return Speed(long.nbytes / reading, 2 * _TIMED_ROWS * side**2 / counting)


def _seconds(work: Callable[[], object], device: str) -> float:
    """The best of those that fit into a moment, after one that warms up: others use the machine, too."""
    import torch

    times: list[float] = []
    while len(times) < 4 or sum(times) < _TIMED_SECONDS:
        start = time.perf_counter()
        work()
        if device.startswith("cuda"):
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    return min(times[1:])
