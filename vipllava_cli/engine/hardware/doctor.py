"""What of this machine matters to the models, for `vipllava doctor`."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from vipllava_cli import __version__
from vipllava_cli.engine.hardware.estimate import make_plan
from vipllava_cli.engine.hardware.machine import Machine, inspect_machine, measure_speed
from vipllava_cli.engine.hardware.placement import LoadOptions, location_name
from vipllava_cli.engine.hub.cache import cache_folder
from vipllava_cli.engine.hub.catalog import known_models
from vipllava_cli.errors import ModelError
from vipllava_cli.storage.sizes import binary_size, decimal_size

Facts = dict[str, str]

_PACKAGES = ("torch", "transformers", "accelerate", "huggingface-hub", "opencv-python", "typer")
_EXTRAS = ("torchao", "bitsandbytes", "flash-attn", "pyarrow", "hf-xet")
_ABSENT = "not installed"


def here() -> dict[str, Facts]:
    """Versions, devices and models, by section."""
    machine = inspect_machine()
    return {
        "versions": {"vipllava": __version__, "python": sys.version.split()[0]}
        | {name: _version(name) for name in (*_PACKAGES, *_EXTRAS)},
        "machine": _machine(machine),
        "speed": _speeds(machine),
        "models": {
            model.name: f"{decimal_size(model.size)}, {model.where}" for model in known_models()
        }
        | {"the hub's cache": str(cache_folder())},
    }


def chosen_here(name: str, revision: str | None, load_options: LoadOptions) -> Facts:
    """What a run would choose, and why; or why it would be refused."""
    try:
        plan = make_plan(name, revision, load_options)
    except ModelError as error:
        return {"refused": str(error)}
    found = plan.placement
    places = dict.fromkeys(found.where.values())
    fetch = {"to fetch": f"{decimal_size(plan.download_size)}, see `vipllava models pull`"}
    return {
        "device": ", ".join(map(location_name, places)),
        "precision": f"{found.dtype_name}: {found.why}",
        "attention": found.attention,
        "prompts at once": str(found.rows),
        **(fetch if plan.download_size else {}),
    }


def _machine(machine: Machine) -> Facts:
    memory = machine.cpu
    facts = {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "memory": f"{binary_size(memory.free)} free of {binary_size(memory.total)}",
        "16-bit products on the CPU": "yes" if machine.fast_bf16 else "no, 32-bit ones instead",
    }
    for at, gpu in machine.gpus.items():
        free = f"{binary_size(gpu.free)} free of {binary_size(gpu.total)}"
        facts[location_name(at)] = f"{machine.names[at]}, {free}"
    if machine.mps:
        facts["mps"] = "Apple's GPU"
    if not machine.gpus and not machine.mps:
        facts["GPU"] = "none that torch can use"
    return facts


def _speeds(machine: Machine) -> Facts:
    """What one product of each kind showed just now."""
    wanted = [("cpu", dtype) for dtype in ("fp32", "bf16")]
    wanted += [(f"cuda:{at}", machine.half) for at in machine.gpus]
    facts = {}
    for device, dtype in wanted:
        speed = measure_speed(device, dtype)
        facts[f"{device} in {dtype}"] = (
            f"reads {speed.bandwidth / 1e9:.1f} GB/s, multiplies {speed.operations / 1e9:.0f} GFLOP/s"
        )
    return facts


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return _ABSENT
