"""The index of names of transformers, without reading the files of models that nobody asks for.

`import transformers` (5.23.0) reads every file of all its models, more than 2,000, to learn which module
has which name, and `transformers.models` reads them again.
"""

import sys
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from vipllava_cli.engine.import_hook import Execute, wrap_execution

_PACKAGE = "transformers"
# The modules whose names come from a scan of all models -> the folder below theirs that is scanned.
_SCANNED = {"transformers": "models", "transformers.models": ""}
# The attributes of a lazy module that name what it has.
_INDEX = ("__all__", "_class_to_module", "_import_structure", "_modules", "_object_missing_backend")
_IMPORT_UTILS = "transformers.utils.import_utils"
# What ViP-LLaVA consists of. The index has their names from the start, and those of all other models
# once a name is asked for that it lacks.
KNOWN_MODELS = ("auto", "clip", "llama", "llava", "vipllava")

Structure = dict[frozenset[str], dict[str, set[str]]]


def defer_model_index() -> None:
    """Let transformers read the files of `KNOWN_MODELS` alone, unless it is imported already."""
    if _PACKAGE not in sys.modules:
        wrap_execution(_IMPORT_UTILS, _change_after)


def _change_after(execute: Execute) -> Execute:
    def execute_and_change(module: ModuleType) -> None:
        execute(module)
        _change(module)

    return execute_and_change


def _change(import_utils: Any) -> None:
    """Replace the scan of all models, if transformers has the parts that this needs."""
    scan = getattr(import_utils, "define_import_structure", None)
    lazy_module = getattr(import_utils, "_LazyModule", None)
    if callable(scan) and isinstance(lazy_module, type):
        import_utils.define_import_structure = _short_scan(scan)
        import_utils._LazyModule = _growing(lazy_module, scan)


def _short_scan(scan: Any) -> Any:
    """Return a scan that reads the folders of `KNOWN_MODELS` in place of those of all models."""

    def short_scan(module_path: Any, prefix: str | None = None) -> Structure:
        folder = _folder(module_path)
        if folder.parts[-2:] != (_PACKAGE, "models"):
            structure: Structure = scan(module_path, prefix)
            return structure
        start = f"{prefix}." if prefix else ""
        found: Structure = {frozenset(): {}}
        for model in KNOWN_MODELS:
            if (folder / model).is_dir():
                _add(scan(folder / model, f"{start}{model}"), found)
        return found

    return short_scan


def _folder(module_path: Any) -> Path:
    """Return the folder that a scan reads: that of a file, too."""
    path = Path(module_path)
    return path.parent if path.suffix == ".py" else path


def _add(some: Structure, found: Structure) -> None:
    for backends, names in some.items():
        found.setdefault(backends, {}).update(names)


def _growing(lazy_module: Any, scan: Any) -> Any:
    """Return the class of lazy modules, changed so that it scans all models when it lacks a name."""
    lock = threading.RLock()

    class GrowingModule(lazy_module):
        def __init__(self, name: str, file: str, structure: Structure, **rest: Any) -> None:
            super().__init__(name, file, structure, **rest)
            if name in _SCANNED:
                del self.__dict__["__all__"]  # `__getattr__` finds out
                self.__dict__["_short"] = (name, file, structure, rest)

        def __getattr__(self, attribute: str) -> Any:
            if not self._knows(attribute):
                self._grow()
                if attribute in self.__dict__:
                    return self.__dict__[attribute]
            return super().__getattr__(attribute)

        def _knows(self, attribute: str) -> bool:
            """Return whether the names of all models would change nothing about this one."""
            if attribute.startswith("__"):
                return attribute != "__all__"
            if any(attribute in names for names in self._index()):
                return True
            # A file that no index names is for the import system.
            return self.__name__ == _PACKAGE and Path(self.__path__[0], f"{attribute}.py").is_file()

        def _index(self) -> tuple[Any, ...]:
            return (self._class_to_module, self._modules, self._objects)

        def __dir__(self) -> list[str]:
            self._grow()
            names: list[str] = super().__dir__()
            return names

        def __reduce__(self) -> Any:
            self._grow()
            return super().__reduce__()

        def _grow(self) -> None:
            """Take over the index of a lazy module that knows all models."""
            with lock:
                if "_short" not in self.__dict__:
                    return
                name, file, structure, rest = self.__dict__["_short"]
                found: Structure = {}
                _add(scan(_folder(file) / _SCANNED[name], _SCANNED[name] or None), found)
                _add(structure, found)
                whole = vars(lazy_module(name, file, found, **rest))
                self.__dict__.update({part: whole[part] for part in _INDEX if part in whole})
                del self.__dict__["_short"]

    for attribute in ("__module__", "__name__", "__qualname__"):  # for pickle, which looks it up
        setattr(GrowingModule, attribute, getattr(lazy_module, attribute))
    return GrowingModule
