"""Choose the device, the precision and the attention of a run, or refuse the user's choice."""

from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import EXTRAS, Machine
from vipllava_cli.engine.hardware.memory_needs import QUANTIZERS
from vipllava_cli.engine.hardware.model_spec import ModelSpec
from vipllava_cli.engine.options import AUTO_DEVICE, gpu_number
from vipllava_cli.errors import ModelError, UsageError

AS_REQUESTED = "as requested"  # the reason for a precision that the user chose
# A smaller model runs in 32 bits on a CPU: exact, and fast enough. For a larger one,
# `benchmarks/scenarios/precision.py` measured equal prompt times and 1.6 times the tokens/s in 16 bits.
_MAX_FP32_BYTES = 256 << 20


def choose_device(
    load_options: LoadOptions, machine: Machine, *, hypothetical: bool = False
) -> str:
    """Choose `cuda`, `mps` or `cpu`.

    Raises UsageError if `device` and `max_memory` contradict each other, and ModelError if the
    machine lacks a device.
    """
    number = gpu_number(load_options.device)
    limited = [key for key in load_options.max_memory or {} if isinstance(key, int)]
    kind = load_options.device.partition(":")[0]
    others = [gpu for gpu in limited if gpu != number] if number is not None else limited
    if others and (number is not None or kind in {"cpu", "mps"}):
        raise UsageError(
            f"--device {load_options.device} does not use GPU {others[0]}, and --max-memory limits"
            f" it: remove {others[0]}=… from --max-memory, or use --device cuda"
        )
    if hypothetical and limited:
        return "cuda"
    required = [*limited, *([] if number is None else [number])]
    missing = [gpu for gpu in required if gpu not in machine.gpus]
    if missing:
        gpu, option = missing[0], f"--device {load_options.device}"
        advice = f"use --device {' or '.join(machine.devices)}, or auto"
        if limited:
            option, advice = "--max-memory", f"remove {gpu}=… from it"
        raise ModelError(
            f"there is no GPU {gpu} for {option}: the devices of this machine are"
            f" {_present(machine)}; {advice}; {_plan_advice(gpu)}"
        )
    if kind == AUTO_DEVICE:
        return machine.devices[0]
    if kind not in machine.devices:
        advice = f"; {_plan_advice(0)}" if kind == "cuda" else ""
        raise ModelError(
            f"there is no {kind} device on this machine: use --device"
            f" {' or '.join(machine.devices)}, or auto{advice}"
        )
    return kind


def _plan_advice(gpu: int) -> str:
    return f"`vipllava plan --max-memory {gpu}=24GiB,cpu=32GiB` plans for a machine with such a GPU"


def _present(machine: Machine) -> str:
    """List the devices as `--device` takes them, with the names of the GPUs."""
    gpus = [f"cuda:{number} ({name})" for number, name in machine.names.items()]
    others = [device for device in machine.devices if device != "cuda"]
    return ", ".join([*gpus, *others])


def choose_dtype(
    device: str, requested: str, spec: ModelSpec, machine: Machine, *, quantized: bool = False
) -> tuple[str, str]:
    """Choose a dtype in which the device is fast and safe. Returns it with the reason."""
    if requested != "auto":
        return requested, AS_REQUESTED
    if device == "cuda":
        return machine.half_dtype, "GPUs are fast in 16 bits"
    if device == "mps":
        return "fp16", "GPUs are fast in 16 bits"
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
    # FlashAttention and bf16 need the same generation of GPUs.
    can_flash = device == "cuda" and dtype != "fp32" and machine.half_dtype == "bf16"
    if requested == "flash" and not hypothetical:
        if not can_flash:
            raise ModelError(
                "--attention flash needs a CUDA GPU that computes in bf16, and 16 bits: use --attention"
                " sdpa"
            )
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
