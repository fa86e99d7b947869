"""Tensors without values, of which a model consists before its weights are loaded."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_META = torch.device("meta")
_MAX_NUMBERS = 100_000  # in a tensor that is computed elsewhere for its shape and type


class EmptyTensors(TorchFunctionMode):
    """Make tensors of the meta device, which have no values, without the steps that give values.

    torch 2.13 goes through these steps in Python, and imports sympy for them. The tensors have the
    shapes, types and devices that torch gives them.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a function of torch."""
        named = dict(kwargs or {})
        short = _SHORT.get(func)
        if short is None and getattr(func, "__module__", "") == torch.nn.init.__name__:
            short = _initialize
        found = short(func, args, named) if short else None
        return func(*args, **named) if found is None else found


# Each of these returns a tensor, or None if it does not know the arguments. The device of a `with`
# statement comes as a keyword.


def _initialize(func: Any, args: Sequence[Any], named: dict[str, Any]) -> Tensor | None:
    tensor = named.get("tensor", args[0] if args else None)
    return tensor if _is_meta(tensor) else None


def _randn(func: Any, args: Sequence[Any], named: dict[str, Any]) -> Tensor | None:
    return torch.empty(*args, **named) if named == {"device": _META} else None


def _arange(func: Any, args: Sequence[Any], named: dict[str, Any]) -> Tensor | None:
    if named.get("device") != _META:
        return None
    return torch.arange(*args, **{**named, "device": "cpu"}).to(_META)


def _empty_like(func: Any, args: Sequence[Any], named: dict[str, Any]) -> Tensor | None:
    if len(args) != 1 or named.keys() != {"device"} or not _is_meta(args[0]):
        return None
    like: Tensor = args[0]
    if not like.is_contiguous():
        return None
    return torch.empty(like.shape, dtype=like.dtype, **named)


def _compute(func: Any, args: Sequence[Any], named: dict[str, Any]) -> Tensor | None:
    if named or not all(isinstance(each, int | float) or _is_small(each) for each in args):
        return None
    numbers: list[Any] = [
        torch.zeros(each.shape, dtype=each.dtype, device="cpu") if _is_meta(each) else each
        for each in args
    ]
    found: Tensor = func(*numbers).to(_META)
    return found


def _is_meta(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_meta


def _is_small(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_meta and value.numel() <= _MAX_NUMBERS


_SHORT: Mapping[Any, Callable[[Any, Sequence[Any], dict[str, Any]], Tensor | None]] = {
    torch.randn: _randn,
    torch.arange: _arange,
    torch.empty_like: _empty_like,
    # for rotary embeddings
    Tensor.div: _compute,
    Tensor.__rdiv__: _compute,
    Tensor.__rpow__: _compute,
}
