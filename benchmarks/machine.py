"""What all benchmarks print and use: the machine in one line, and a stopwatch."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path


def describe() -> str:
    """Describe processor, cores and Python in one line, to print beside the figures."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return f"{name}, {os.cpu_count()} cores, Python {platform.python_version()}"


def seconds(work: Callable[[], object]) -> float:
    """Time one call, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
