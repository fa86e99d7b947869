"""A description of the machine and of the versions that run on it."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

# Instructions that the speed of products in 16 and 8 bits depends on.
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "amx_int8")
_PACKAGES = ("torch", "transformers", "tokenizers", "accelerate", "numpy", "pillow")


def describe_machine(device: str) -> dict[str, Any]:
    """Describe processor, memory, load, GPU, versions and the date. Imports torch for a GPU only."""
    lines = _read("/proc/cpuinfo")
    name = re.search(r"^model name\s*: (.*)", lines, re.MULTILINE)
    flags = set((re.search(r"^flags\s*: (.*)", lines, re.MULTILINE) or [""] * 2)[1].split())
    memory = re.search(r"^MemTotal: *([0-9]+) kB", _read("/proc/meminfo"), re.MULTILINE)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cpu": name[1].strip() if name else platform.processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "instructions": [each for each in _INSTRUCTIONS if each in flags],
        "memory_gib": round(int(memory[1]) / 2**20) if memory else None,
        "load": round(os.getloadavg()[0], 2),
        "device": device,
        "gpu": _gpu(device),
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in _PACKAGES},
    }


def describe_in_words(machine: dict[str, Any]) -> str:
    """Say it in one sentence for a page."""
    gpu = f"{machine['gpu']}, " if machine["gpu"] else ""
    instructions = ", ".join(machine["instructions"]) or "no vector instructions"
    versions = ", ".join(f"{name} {text}" for name, text in machine["versions"].items() if text)
    return (
        f"{gpu}{machine['cores']} cores of {machine['cpu']} ({instructions}),"
        f" {machine['memory_gib']} GiB of memory, load {machine['load']} at the start;"
        f" Python {machine['python']}, {versions}; {machine['date']}"
    )


def _gpu(device: str) -> str:
    if not device.startswith("cuda"):
        return ""
    import torch

    return torch.cuda.get_device_name(device)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _read(path: str) -> str:
    return Path(path).read_text() if Path(path).exists() else ""
