"""Import the HTTP client without the libraries of asynchronous programs, which this program is not.

httpcore2 2.16.2 imports anyio, h2 and trio wherever they are installed, which takes up to 0.2 s. It has
stand-ins for all of them. This changes only a process that runs the command line.
"""

import sys
from types import ModuleType
from typing import Any

from vipllava_cli.engine.import_hook import Execute, wrap_execution

_PACKAGE = "httpcore2"
_UNUSED = ("anyio", "h2", "trio")


def skip_async_libraries() -> None:
    """Skip them when the HTTP client is imported, which may be never."""
    wrap_execution(_PACKAGE, _hide_unused)


def _hide_unused(execute: Execute) -> Execute:
    def execute_without(module: ModuleType) -> None:
        modules: dict[str, Any] = sys.modules
        hidden = [name for name in _UNUSED if name not in modules]
        modules.update(dict.fromkeys(hidden))  # None stands for a package that is not installed
        try:
            execute(module)
        finally:
            for name in hidden:
                modules.pop(name, None)

    return execute_without
