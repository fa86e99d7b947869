"""Helpers of the benchmarks: a description of the machine, a timer, a listener without output."""

import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # importing the batch would count in the benchmark of the start
    from vipllava_cli.flows.batch.run import BatchSummary


def describe() -> str:
    """Describe the processor, its cores and Python in one line."""
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


class SilentListener:
    """Ignores the progress of a batch."""

    def advance(self, summary: "BatchSummary", id: str) -> None:
        pass

    def note(self, id: str, text: str) -> None:
        pass
