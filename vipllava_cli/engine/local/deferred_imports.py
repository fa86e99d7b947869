"""Defer parts of torch and transformers that the program imports and that answering does not use.

transformers 5.23.0 imports `torch._dynamo` for decorators that only `torch.compile` reads,
`torch.distributed` for models on several machines, and a client for downloads.
"""

import functools
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch

from vipllava_cli.engine.local.deferred_module import defer_module
from vipllava_cli.engine.local.transformers_index import defer_model_index

_DYNAMO = "torch._dynamo"
# The only submodule that transformers imports by its name. It needs nothing of its package.
_NEEDED_SUBMODULE = "_trace_wrapped_higher_order_op"

_pending: list[Callable[[ModuleType], object]] = []  # what the executed package decorates


def _decorate_later(decorator: str) -> Callable[[Any], Any]:
    """Return a stand-in for a decorator that marks its function for `torch.compile`.

    The package decorates the function when it is executed, and so before `torch.compile` sees it.
    """

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


def _decorate_pending(dynamo: ModuleType) -> None:
    while _pending:
        _pending.pop()(dynamo)


_DECORATORS: Mapping[str, Callable[..., Any]] = {
    "allow_in_graph": _decorate_later("allow_in_graph"),
    "assume_constant_result": _decorate_later("assume_constant_result"),
    "disable": _disable,
}


def defer_imports() -> None:
    """Defer the imports, unless another part of the process has them already."""
    if "transformers.modeling_utils" in sys.modules:
        return
    has_compiler = _DYNAMO in sys.modules
    defer_module(_DYNAMO, _DECORATORS, submodules=(_NEEDED_SUBMODULE,), after=_decorate_pending)
    defer_module("httpcore2")  # huggingface_hub imports it for the names of two errors
    defer_model_index()
    if not has_compiler:
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
