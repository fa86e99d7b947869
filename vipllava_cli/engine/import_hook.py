"""Change how a module is executed when another part of the process imports it."""

import importlib.util
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

Execute = Callable[[ModuleType], object]


def wrap_execution(name: str, wrap: Callable[[Execute], Execute]) -> None:
    """Execute a module by `wrap(execute)`, unless it is imported already.

    `execute` is what would execute it.
    """
    if name not in sys.modules:
        sys.meta_path.insert(0, _Finder(name, wrap))


class _Finder:
    """Finds one module, once.

    It stays in `sys.meta_path`: without it, an import of another thread that walks along that list would
    skip a finder and miss its module.
    """

    def __init__(self, name: str, wrap: Callable[[Execute], Execute]) -> None:
        self._name = name
        self._wrap = wrap
        self._has_found = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name or self._has_found:
            return None
        self._has_found = True
        spec = importlib.util.find_spec(fullname)
        loader: Any = spec and spec.loader
        if loader is not None:
            loader.exec_module = self._wrap(loader.exec_module)
        return spec
