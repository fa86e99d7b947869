"""Choose the device, the precision and the attention of a run, or refuse the user's choice."""

from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import EXTRAS, Machine
from vipllava_cli.engine.hardware.memory_needs import QUANTIZERS
from vipllava_cli.engine.hardware.model_spec import ModelSpec
from vipllava_cli.errors import ModelError

# A smaller model runs in 32 bits on a CPU: exact, and fast enough. For a larger one,
# `benchmarks/precision.py` measured equal prompt times and 1.6 times the tokens/s in 16 bits.
_MAX_FP32_BYTES = 256 << 20


def choose_device(
    load_options: LoadOptions, machine: Machine, *, hypothetical: bool = False
) -> str:
    """Choose `cuda`, `mps` or `cpu`. Raises ModelError if the machine lacks it."""
    named = [key for key in load_options.max_memory or {} if isinstance(key, int)]
    if hypothetical and named and load_options.device in {"auto", "cuda"}:
        return "cuda"
    missing = [number for number in named if number not in machine.gpus]
    if missing and not hypothetical:
        present = ", ".join(map(str, machine.gpus)) or "none"
        raise ModelError(
            f"--max-memory names GPU {missing[0]}, and the GPUs of this machine are: {present}"
        )
    if load_options.device == "auto":
        return machine.devices[0]
    if load_options.device not in machine.devices:
        present = ", ".join(machine.devices)
        raise ModelError(
            f"there is no {load_options.device} device on this machine: use --device {present},"
            " or auto"
        )
    return load_options.device


def choose_dtype(
    device: str, requested: str, spec: ModelSpec, machine: Machine, *, quantized: bool = False
) -> tuple[str, str]:
    """Choose a dtype in which the device is fast and safe. Returns it with the reason."""
    if requested != "auto":
        return requested, "as requested"
    if device == "cuda":
        return machine.half_dtype, "fast on this GPU"
    if device == "mps":
        return "fp16", "fast on this GPU"
    if 4 * spec.parameters <= _MAX_FP32_BYTES and not quantized:
        return "fp32", "small enough to be exact"
    if machine.fast_bf16:
        return "bf16", "this CPU has instructions for it"
    # The published type: weights of another type would be copied out of the mapped file.
    return spec.half_dtype, "half the bytes to read for each token; prompts use 32-bit products"


def choose_attention(
    device: str, requested: str, dtype: str, machine: Machine, *, hypothetical: bool = False
) -> str:
    """Choose `sdpa`, `flash` or `eager`. Raises ModelError if the requested one cannot run."""
    can_flash = device == "cuda" and dtype != "fp32"
    if requested == "flash" and not hypothetical:
        if not can_flash:
            raise ModelError("--attention flash needs a CUDA GPU and 16 bits: use --attention sdpa")
        _require_package("flash_attn", "--attention flash", machine)
    if requested != "auto":
        return requested
    return "flash" if can_flash and "flash_attn" in machine.packages else "sdpa"


def check_quantize(device: str, quantize: str, machine: Machine) -> None:
    """Raise ModelError if the device cannot quantize this way, or a package is missing."""
    packages = QUANTIZERS[quantize].packages
    if device not in packages:
        raise ModelError(
            f"--quantize {quantize} does not run on {device}: use --device {' or '.join(packages)}"
        )
    package = packages[device]
    if package is not None:
        _require_package(package, f"--quantize {quantize}", machine)


def _require_package(package: str, option: str, machine: Machine) -> None:
    if package not in machine.packages:
        raise ModelError(
            f"{option} needs the package {package.replace('_', '-')}, which is not installed:"
            f" `{EXTRAS[package]}`"
        )
