"""Where the processor time of a start goes. Runs a program in this process, and imports no torch itself.

    python -m benchmarks.start_probe RESULT.json PROGRAM.py [ARGUMENT ...]

The result maps each part to milliseconds. The time of a module is that of its own lines, without the
modules that it imports and without the garbage collector.
"""

import atexit
import functools
import gc
import importlib.machinery
import json
import os
import runpy
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

now = time.process_time

PYTHON, COLLECTION, WORK = "Python itself", "garbage collection", "loading and answering"
_LIBRARIES = "torch: shared libraries"
_OTHER = "other modules"
# The packages of each part. A module belongs to the part of its first name.
_PARTS = {
    "command line: typer, pydantic, rich": ("typer", "pydantic", "pydantic_core", "rich"),
    "images: numpy, OpenCV, Pillow": ("numpy", "cv2", "PIL"),
    "torch: Python modules": ("torch", "torchgen"),
    "sympy": ("sympy", "mpmath"),
    "transformers, tokenizers": ("transformers", "tokenizers", "regex", "jinja2", "safetensors"),
    "accelerate": ("accelerate",),
    "huggingface_hub and its clients": (
        *("huggingface_hub", "httpx2", "httpcore2", "trio", "anyio", "h11", "attr", "filelock"),
    ),
    "vipllava_cli": ("vipllava_cli",),
}
_PART_OF = {package: part for part, packages in _PARTS.items() for package in packages}
PARTS = (PYTHON, *_PARTS, _LIBRARIES, _OTHER, COLLECTION, WORK)


class Probe:
    """Counts seconds of processor time by part."""

    def __init__(self) -> None:
        self.times: dict[str, float] = defaultdict(float, {PYTHON: now()})
        self._inner: list[float] = []  # what the modules under way spent in others
        self._collection_start = 0.0

    def install(self) -> None:
        """Measure every import and every collection from now on."""
        loaders = importlib.machinery
        self._wrap(loaders.SourceFileLoader, "exec_module")
        self._wrap(loaders.ExtensionFileLoader, "create_module")
        self._wrap(loaders.ExtensionFileLoader, "exec_module")
        gc.callbacks.append(self._on_collection)

    def _wrap(self, loader: Any, method: str) -> None:
        original = getattr(loader, method)

        @functools.wraps(original)
        def measured(itself: Any, module: Any) -> Any:
            is_spec = isinstance(module, importlib.machinery.ModuleSpec)
            name = module.name if is_spec else module.__name__
            return self._measure(part_of(name), lambda: original(itself, module))

        setattr(loader, method, measured)

    def _measure(self, part: str, work: Callable[[], Any]) -> Any:
        start = now()
        self._inner.append(0.0)
        try:
            return work()
        finally:
            taken = now() - start
            self.times[part] += taken - self._inner.pop()
            if self._inner:
                self._inner[-1] += taken

    def _on_collection(self, phase: str, info: object) -> None:
        if phase == "start":
            self._collection_start = now()
            return
        taken = now() - self._collection_start
        self.times[COLLECTION] += taken
        if self._inner:
            self._inner[-1] += taken

    def result(self) -> dict[str, float]:
        """Return milliseconds by part, until now."""
        rest = now() - sum(self.times.values())
        found = {**self.times, WORK: rest}
        return {part: 1000 * found.get(part, 0.0) for part in PARTS}


def part_of(module: str) -> str:
    """Return the part that a module belongs to."""
    if module == "torch._C":
        return _LIBRARIES
    return _PART_OF.get(module.partition(".")[0], _OTHER)


def main() -> None:
    """Run the program, and write the result when it ends."""
    result, program, *arguments = sys.argv[1:]
    probe = Probe()
    end = os._exit

    def write() -> None:
        with open(result, "w", encoding="utf-8") as file:
            json.dump(probe.result(), file)

    def write_and_end(code: int) -> None:
        write()
        end(code)

    atexit.register(write)
    os._exit = write_and_end  # type: ignore[assignment]
    sys.argv = [program, *arguments]
    probe.install()
    runpy.run_path(program, run_name="__main__")


if __name__ == "__main__":
    main()
