"""Defer parts of torch and transformers that the program imports and that answering does not use.

transformers 5.24.0 imports `torch._dynamo` for decorators that only `torch.compile` reads,
`torch.distributed` for models on several machines, and a client for downloads. The module of torch 2.14
for flex attention imports sympy by way of `torch.fx.experimental.symbolic_shapes`.
"""

import functools
import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import torch

from vipllava_cli.engine.local.deferred_module import defer_module, executed_module
from vipllava_cli.engine.local.transformers_index import defer_model_index

_DYNAMO = "torch._dynamo"
# The only submodule that transformers imports by its name. It needs nothing of its package.
_NEEDED_SUBMODULE = "_trace_wrapped_higher_order_op"

_SHAPES = "torch.fx.experimental.symbolic_shapes"
_FLEX_ATTENTION = "torch.nn.attention.flex_attention"

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


def _has_free_unbacked_symbols(value: Any) -> Any:
    """Stand in for the only function of symbolic shapes that flex attention imports."""
    return executed_module(_SHAPES).has_free_unbacked_symbols(value)


def _give_flex_attention_its_function(shapes: ModuleType) -> None:
    # torch.compile knows the function itself, and not its stand-in.
    flex_attention = sys.modules.get(_FLEX_ATTENTION)
    name = "has_free_unbacked_symbols"
    if flex_attention and vars(flex_attention).get(name) is _has_free_unbacked_symbols:
        setattr(flex_attention, name, getattr(shapes, name))


def defer_imports() -> None:
    """Defer the imports, unless another part of the process has them already."""
    if "transformers.modeling_utils" in sys.modules:
        return
    has_compiler = _DYNAMO in sys.modules
    defer_module(_DYNAMO, _DECORATORS, submodules=(_NEEDED_SUBMODULE,), after=_decorate_pending)
    defer_module(
        _SHAPES,
        {"has_free_unbacked_symbols": _has_free_unbacked_symbols},
        after=_give_flex_attention_its_function,
    )
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
