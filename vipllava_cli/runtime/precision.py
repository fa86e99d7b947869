"""Fewer bits for a weight: quantised decoder layers, and products of 16-bit matrices on a CPU that has
no instructions for them.

Such a CPU reads 16-bit weights as fast as its memory allows, which is all that one new token needs, and
multiplies many rows by them many times slower than 32-bit ones. So the weights stay in 16 bits, and a
product of many rows widens them piece by piece. Weights in 8 bits are widened likewise, where torchao's
own product makes a 16-bit copy of the whole matrix for every token.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    BitsAndBytesConfig,
    TorchAoConfig,
    VipLlavaConfig,
    VipLlavaForConditionalGeneration,
)

from vipllava_cli.runtime.placement import WIDENED_AT_ONCE

# Below so many rows, reading the weights as they are takes less than widening them first; measured.
FEW_ROWS = 8
FEW_ROWS_OF_INT8 = 16


class WidenedLinear(nn.Linear):
    """A linear layer in few bits whose products of many rows are made in 32."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if input.dtype == torch.float32:
            return super().forward(input)
        rows = input.numel() // self.in_features
        if not is_quantised(self.weight):
            return super().forward(input) if rows < FEW_ROWS else self._product(input, self.weight)
        weight: Any = self.weight  # one scale for each of its rows
        scale = weight.scale.flatten()
        if rows >= FEW_ROWS_OF_INT8:
            return self._product(input, weight.qdata, scale)
        flat = input.reshape(rows, self.in_features).bfloat16()  # what this product is fast in
        ones = torch.ones_like(scale, dtype=flat.dtype)
        output = torch._weight_int8pack_mm(flat, weight.qdata, ones) * scale.float()
        output = output.view(*input.shape[:-1], self.out_features)
        return self._finished(output, input.dtype)

    def _product(self, input: Tensor, weight: Tensor, scale: Tensor | None = None) -> Tensor:
        wide = input.float()
        step = max(WIDENED_AT_ONCE // self.in_features, 1)
        pieces = weight.split(step)
        output = torch.cat([nn.functional.linear(wide, _widened(piece)) for piece in pieces], -1)
        return self._finished(output if scale is None else output * scale.float(), input.dtype)

    def _finished(self, output: Tensor, dtype: torch.dtype) -> Tensor:
        return (output if self.bias is None else output + self.bias).to(dtype)


def is_quantised(weights: Tensor) -> bool:
    """Whether they are a tensor of torchao."""
    return type(weights).__module__.startswith("torchao")


_kept = threading.local()  # a buffer for each thread that answers


def _widened(piece: Tensor) -> Tensor:
    """Weights in 32 bits, in memory that is used again and again: to get as much anew takes the system
    many times longer than to widen them.
    """
    if not hasattr(_kept, "buffer") or len(_kept.buffer) < piece.numel():
        _kept.buffer = torch.empty(piece.numel())
    buffer: Tensor = _kept.buffer
    return buffer[: piece.numel()].view_as(piece).copy_(piece)


class WidenedModel(VipLlavaForConditionalGeneration):
    """The model with every linear layer so; made that way before its weights are loaded. Decoder layers
    are left to a quantiser that puts its own in the place of plain ones.
    """

    def __init__(self, config: VipLlavaConfig, *, but_layers: bool = False) -> None:
        super().__init__(config)
        left = set(self.model.language_model.layers.modules()) if but_layers else set()
        for module in self.modules():
            if type(module) is nn.Linear and module not in left:
                module.__class__ = WidenedLinear
        # The library finds the older names of weights by the name of the class.
        self.__class__ = VipLlavaForConditionalGeneration


# The parts that stay as they are; without `model.` in front, nothing is skipped.
_KEPT = ["model.vision_tower", "model.multi_modal_projector", "lm_head"]


def quantization(wanted: str, on_cpu: bool) -> Any:
    """What transformers takes as `quantization_config`; the package is installed."""
    return _QUANTIZATIONS[wanted](on_cpu)


def _int8(on_cpu: bool) -> Any:
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=_KEPT)


def _nf4(on_cpu: bool) -> Any:
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_compute_dtype=torch.float32 if on_cpu else torch.bfloat16,
        llm_int8_skip_modules=_KEPT,
    )


_QUANTIZATIONS: Mapping[str, Callable[[bool], Any]] = {"int8": _int8, "nf4": _nf4}
