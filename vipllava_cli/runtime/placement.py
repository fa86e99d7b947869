"""Which device, how precise, and which layer goes where: decided on the meta device, before loading."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from accelerate import infer_auto_device_map, init_empty_weights
from accelerate.utils import get_max_memory
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from vipllava_cli.errors import ModelError

DTYPES: Mapping[str, torch.dtype] = {
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
    "fp32": torch.float32,
}

# Five hidden states of the tower are joined, so it must lie on one device, as must the projector.
_WHOLE = ("CLIPVisionModel", "VipLlavaMultiModalProjector")

# Below this a CPU answers soonest, and exactly, in 32 bits; above it the memory decides.
_SMALL_BYTES = 2 << 30


@dataclass(frozen=True)
class Placement:
    """`devices` maps module names to devices; `inputs` is where prompts and pictures go."""

    devices: Mapping[str, str | int | torch.device]
    inputs: torch.device
    dtype: torch.dtype

    @property
    def dtype_name(self) -> str:
        return next(name for name, dtype in DTYPES.items() if dtype == self.dtype)


def place(
    config: VipLlavaConfig,
    device: str,
    dtype: str,
    max_memory: Mapping[int | str, int] | None = None,
) -> Placement:
    """The plan for a model of this configuration. Raises ModelError for a device that is not here."""
    kind = choose_device(device)
    with init_empty_weights():
        empty = VipLlavaForConditionalGeneration(config)
    chosen = choose_dtype(kind, dtype, sum(p.numel() for p in empty.parameters()))
    if kind != "cuda":
        return Placement({"": kind}, torch.device(kind), chosen)
    devices = plan(empty, chosen, max_memory)
    return Placement(devices, _input_device(devices), chosen)


def choose_device(wanted: str) -> str:
    """`cuda`, `mps` or `cpu`. Raises ModelError when the wanted one is not here."""
    present = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if wanted == "auto":
        return next(name for name, is_here in present.items() if is_here)
    if not present[wanted]:
        here = ", ".join(name for name, is_here in present.items() if is_here)
        raise ModelError(
            f"there is no {wanted} device on this machine: use --device {here}, or auto"
        )
    return wanted


def choose_dtype(device: str, wanted: str, parameters: int) -> torch.dtype:
    """What the device is fast and safe in, unless the user says."""
    if wanted != "auto":
        return DTYPES[wanted]
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if device == "mps":
        return torch.float16
    return torch.float32 if 4 * parameters <= _SMALL_BYTES else torch.bfloat16


def plan(
    empty: VipLlavaForConditionalGeneration,
    dtype: torch.dtype,
    max_memory: Mapping[int | str, int] | None = None,
) -> dict[str, str | int | torch.device]:
    """Layers to GPUs first, then to the CPU, then to disk, by the memory that is free."""
    memory = _free_memory() if max_memory is None else dict(max_memory)
    whole = sorted({*_WHOLE, *(empty._no_split_modules or ())})
    devices: dict[str, str | int | torch.device] = infer_auto_device_map(
        empty, max_memory=memory, no_split_module_classes=whole, dtype=dtype
    )
    return devices


def _free_memory() -> dict[int | str, int]:
    """What accelerate finds free, less a tenth of each GPU for the cache and the work itself."""
    found: dict[int | str, int] = get_max_memory()
    return {at: size if isinstance(at, str) else size * 9 // 10 for at, size in found.items()}


def _input_device(devices: Mapping[str, str | int | torch.device]) -> torch.device:
    """The GPU that holds the first layers, or the CPU when the plan puts nothing on a GPU."""
    gpus = [place for place in devices.values() if isinstance(place, int)]
    return torch.device("cuda", gpus[0]) if gpus else torch.device("cpu")
