"""Import the HTTP client without the libraries of asynchronous programs, which this program is not.

httpcore2 2.16.2 imports anyio, h2 and trio wherever they are installed, which takes up to 0.2 s. It has
stand-ins for all of them. This changes only a process that runs the command line.
"""

import importlib.util
import sys
from types import ModuleType
from typing import Any

_PACKAGE = "httpcore2"
_UNUSED = ("anyio", "h2", "trio")


def skip_async_libraries() -> None:
    """Skip them when the HTTP client is imported, which may be never."""
    if _PACKAGE not in sys.modules:
        sys.meta_path.insert(0, _Finder())


class _Finder:
    """Finds the package once, with a loader that hides the unused ones."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name != _PACKAGE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None:
            spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
        return spec


class _Loader:
    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: Any) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        modules: dict[str, Any] = sys.modules
        hidden = [name for name in _UNUSED if name not in modules]
        modules.update(dict.fromkeys(hidden))  # None stands for a package that is not installed
        try:
            self._loader.exec_module(module)
        finally:
            for name in hidden:
                modules.pop(name, None)
