"""A module that is executed when something of it is needed."""

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_lock = threading.RLock()  # one thread executes a module, and the others wait for it


class DeferredModule(ModuleType):
    """A module, executed when an attribute without a stand-in is read, or a submodule is imported.

    Unlike the lazy loader of the standard library, it waits for another thread that executes it, and
    takes stand-ins.
    """

    __spec__: ModuleSpec

    def __getattr__(self, attribute: str) -> Any:
        # The import system probes for some of these. A package has a path, for its submodules.
        is_path = attribute == "__path__" and self.__spec__.submodule_search_locations is not None
        if attribute.startswith("__") and not is_path:
            raise AttributeError(f"module {self.__name__!r} has no attribute {attribute!r}")
        if self in _stand_ins and attribute in _stand_ins[self]:
            return _stand_ins[self][attribute]
        with _lock:
            if self in _stand_ins:
                _execute(self)
            elif isinstance(self, DeferredModule):  # this thread is executing it
                raise AttributeError(f"module {self.__name__!r} has no attribute {attribute!r} yet")
        return getattr(self, attribute)


_stand_ins: dict[ModuleType, Mapping[str, Any]] = {}  # of the modules that wait
_after: dict[ModuleType, Callable[[ModuleType], object]] = {}


def defer_module(
    name: str,
    stand_ins: Mapping[str, Any] | None = None,
    *,
    submodules: tuple[str, ...] = (),
    after: Callable[[ModuleType], object] | None = None,
) -> None:
    """Defer a module, unless it is imported or missing.

    `stand_ins` replace attributes until the module is executed. `submodules` are imported now, so they
    must not need their package. `after` receives the executed module.
    """
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)
    for submodule in submodules:
        importlib.import_module(f"{name}.{submodule}")
    _stand_ins[module] = stand_ins or {}
    if after:
        _after[module] = after
    module.__class__ = DeferredModule
    if spec.submodule_search_locations is not None:
        del module.__path__  # so that the import of a submodule executes the module first


def executed_module(name: str) -> ModuleType:
    """Return an imported module, executed if it still waits."""
    module = sys.modules[name]
    with _lock:
        if module in _stand_ins:
            _execute(module)
    return module


def _execute(module: ModuleType) -> None:
    stand_ins = _stand_ins.pop(module)
    spec: Any = module.__spec__
    if spec.submodule_search_locations is not None:
        module.__path__ = list(spec.submodule_search_locations)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        _stand_ins[module] = stand_ins
        raise
    module.__class__ = ModuleType
    if after := _after.pop(module, None):
        after(module)
