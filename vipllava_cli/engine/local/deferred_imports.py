"""Defer parts of torch that transformers imports and that answering does not use.

transformers 5.23.0 imports `torch._dynamo` for decorators that only `torch.compile` reads, and
`torch.distributed` for models on several machines: a fifth of the time in which the program starts.
"""

import functools
import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch

_DYNAMO = "torch._dynamo"
# The only submodule that transformers imports by its name. It needs nothing of its package.
_NEEDED_SUBMODULE = "torch._dynamo._trace_wrapped_higher_order_op"


class DeferredPackage(ModuleType):
    """`torch._dynamo`, executed when a submodule is imported, or an attribute without a stand-in is read.

    A decorator among the stand-ins returns its function. The package decorates it when it is executed,
    and so before `torch.compile` sees it.
    """

    def __getattr__(self, attribute: str) -> Any:
        if (
            attribute.startswith("__") and attribute != "__path__"
        ):  # the import system probes for some
            raise AttributeError(attribute)
        stand_in = _STAND_INS.get(attribute)
        return stand_in or getattr(_execute(self), attribute)


_lock = threading.RLock()
_pending: list[Callable[[ModuleType], object]] = []  # what the executed package decorates


def _execute(package: ModuleType) -> ModuleType:
    with _lock:
        if isinstance(package, DeferredPackage):
            package.__class__ = ModuleType  # type: ignore[assignment]
            spec: Any = package.__spec__
            package.__path__ = list(spec.submodule_search_locations)
            spec.loader.exec_module(package)
            while _pending:
                _pending.pop()(package)
    return package


def _decorate_later(decorator: str) -> Callable[[Any], Any]:
    """Return a stand-in for a decorator that marks its function for `torch.compile`."""

    def stand_in(function: Any) -> Any:
        _pending.append(lambda dynamo: getattr(dynamo, decorator)(function))
        return function

    return stand_in


def _disable(function: Any = None, *arguments: Any, **options: Any) -> Any:
    """Stand in for `torch._dynamo.disable`: nothing is to be disabled before `torch.compile` runs."""
    if function is None:
        return functools.partial(_disable, **options)
    disabled = function

    def apply(dynamo: ModuleType) -> None:
        nonlocal disabled
        disabled = dynamo.disable(function, *arguments, **options)

    _pending.append(apply)

    @functools.wraps(function)
    def call(*values: Any, **named: Any) -> Any:
        return disabled(*values, **named)

    return call


_STAND_INS: Mapping[str, Callable[..., Any]] = {
    "allow_in_graph": _decorate_later("allow_in_graph"),
    "assume_constant_result": _decorate_later("assume_constant_result"),
    "disable": _disable,
}


def defer_imports() -> None:
    """Defer the imports, unless another part of the process has them already."""
    spec = importlib.util.find_spec(_DYNAMO)
    if "transformers.modeling_utils" in sys.modules or _DYNAMO in sys.modules or spec is None:
        return
    package = importlib.util.module_from_spec(spec)
    sys.modules[_DYNAMO] = package
    importlib.import_module(_NEEDED_SUBMODULE)
    package.__class__ = DeferredPackage
    del package.__path__
    _answer_without_distributed()


def _answer_without_distributed() -> None:
    """Let transformers take torch for a build without `torch.distributed`, as there are some.

    Its function keeps its first result.
    """
    from transformers.utils.import_utils import is_torch_distributed_available

    is_available = torch.distributed.is_available
    torch.distributed.is_available = lambda: False
    try:
        is_torch_distributed_available()
    finally:
        torch.distributed.is_available = is_available
