"""The devices of a machine, and their free memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec

import psutil

from vipllava_cli.images.memory import free_memory
from vipllava_cli.storage.folders import check_working_folder

Location = int | str
"""Where weights can be stored: the number of a GPU, `cpu`, `mps` or `disk`."""

# The optional packages, and how to install them.
EXTRAS: Mapping[str, str] = {
    "torchao": "pip install 'vipllava[int8]'",
    "bitsandbytes": "pip install 'vipllava[nf4]'",
    "flash_attn": "pip install flash-attn",
}


@dataclass(frozen=True)
class Memory:
    """The memory of a device, in bytes."""

    total: int
    free: int


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
    """Return whether this CPU has instructions for products of bfloat16 matrices.

    A torch without oneDNN, as that of macOS, has no function that tells it, and does not use them.
    """
    import torch

    has_onednn = torch.backends.mkldnn.is_available()
    return has_onednn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
