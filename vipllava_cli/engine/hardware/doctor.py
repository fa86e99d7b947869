"""The facts about this machine that matter to the models, for `vipllava doctor`."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from vipllava_cli.engine.hardware.estimate import make_plan
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hardware.machine import Machine, inspect_machine
from vipllava_cli.engine.hardware.measured_speed import measure_bandwidth, measure_operations
from vipllava_cli.engine.hardware.placement_types import location_name
from vipllava_cli.engine.hub.cache import cache_folder
from vipllava_cli.engine.hub.catalog import known_models
from vipllava_cli.errors import ModelError
from vipllava_cli.storage.sizes import binary_size, decimal_size

Facts = dict[str, str]

_PACKAGES = (
    "vipllava",
    "torch",
    "transformers",
    "accelerate",
    "huggingface-hub",
    "opencv-python",
    "typer",
)
_OPTIONAL_PACKAGES = ("torchao", "bitsandbytes", "flash-attn", "pyarrow", "hf-xet")


def diagnose() -> dict[str, Facts]:
    """Collect versions, devices, speeds and models, by section."""
    machine = inspect_machine()
    packages = {name: _version(name) for name in (*_PACKAGES, *_OPTIONAL_PACKAGES)}
    models = {model.name: f"{decimal_size(model.size)}, {model.where}" for model in known_models()}
    return {
        "versions": {"python": sys.version.split()[0]} | packages,
        "machine": _machine_facts(machine),
        "speed": _speed_facts(machine),
        "models": models | {"the hub's cache": str(cache_folder())},
    }


def diagnose_choice(name: str, revision: str | None, load_options: LoadOptions) -> Facts:
    """Describe the choices of a run with this model and their reasons, or the error of the plan."""
    try:
        plan = make_plan(name, revision, load_options)
    except ModelError as error:
        return {"refused": str(error)}
    placement = plan.placement
    locations = dict.fromkeys(placement.locations.values())
    facts = {
        "device": ", ".join(map(location_name, locations)),
        "precision": f"{placement.dtype_name}: {placement.dtype_reason}",
        "attention": placement.attention,
        "prompts at once": str(placement.batch_size),
    }
    if plan.download_size:
        facts["to download"] = f"{decimal_size(plan.download_size)}, see `vipllava models pull`"
    return facts


def _machine_facts(machine: Machine) -> Facts:
    memory = machine.cpu
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "memory": f"{binary_size(memory.free)} free of {binary_size(memory.total)}",
        "16-bit products on the CPU": "yes" if machine.fast_bf16 else "no, 32-bit ones instead",
    }
    for number, gpu in machine.gpus.items():
        free = f"{binary_size(gpu.free)} free of {binary_size(gpu.total)}"
        facts[location_name(number)] = f"{machine.names[number]}, {free}"
    if machine.mps:
        facts["mps"] = "Apple's GPU"
    if not machine.gpus and not machine.mps:
        facts["GPU"] = "none that torch can use"
    return facts


def _speed_facts(machine: Machine) -> Facts:
    """Measure each device with the dtypes of its models."""
    measured = [("cpu", dtype) for dtype in ("fp32", "bf16")]
    measured += [(f"cuda:{number}", machine.half_dtype) for number in machine.gpus]
    facts = {}
    for device, dtype in measured:
        bandwidth, operations = measure_bandwidth(device, dtype), measure_operations(device, dtype)
        facts[f"{device} in {dtype}"] = (
            f"reads {bandwidth / 1e9:.1f} GB/s, multiplies {operations / 1e9:.0f} GFLOP/s"
        )
    return facts


def _version(package: str) -> str:
    if package == "torch":
        import torch

        return str(torch.__version__)  # with the build, like 2.14.1+cu130, which packages leave out
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
