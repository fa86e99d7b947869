"""Fewer bits for a weight: quantised decoder layers, and products of 16-bit matrices on a CPU that has
no instructions for them.

Such a CPU reads 16-bit weights as fast as its memory allows, which is all that one new token needs, and
multiplies many rows by them many times slower than 32-bit ones. So the weights stay in 16 bits, and a
product of many rows widens them piece by piece. Weights in 8 bits are widened likewise. On a CPU they
are rounded here: torchao takes ten times as long for it, and its product copies the whole matrix to 16
bits for every token.
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

from vipllava_cli.engine.hardware.placement import INT8, NF4, WIDENED_CHUNK

# Below so many rows, reading the weights as they are takes less than widening them first; measured.
FEW_ROWS = 8
FEW_ROWS_OF_INT8 = 16
_ROUNDED_CHUNK = 1 << 20  # weights that stay in a processor's cache from one step to the next
_MOST = 127  # of 8 bits with a sign


class WidenedLinear(nn.Linear):
    """A linear layer in 16 bits whose products of many rows are made in 32."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        rows = input.numel() // self.in_features
        if input.dtype == torch.float32 or rows < FEW_ROWS:
            return super().forward(input)
        return _finished(_product(input.float(), self.weight), self.bias, input.dtype)


class Int8Linear(nn.Module):
    """A linear layer on a CPU with weights in 8 bits and a scale for each row of them; products of many
    rows are made in 32 bits, or as the input comes.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear, *, widened: bool) -> None:
        super().__init__()
        weight, scale = rounded(linear.weight)
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.bias, self.widened = linear.bias, widened

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        wide, dtype = self.weight.shape[1], input.dtype
        rows = input.numel() // wide
        if rows >= FEW_ROWS_OF_INT8:
            output = _product(input.float() if self.widened else input, self.weight)
        else:
            flat = input.reshape(rows, wide).bfloat16()  # what this product is fast in
            ones = torch.ones_like(self.scale, dtype=flat.dtype)
            output = torch._weight_int8pack_mm(flat, self.weight, ones)
            output = output.view(*input.shape[:-1], len(self.weight))
        return _finished(output * self.scale, self.bias, dtype)


@torch.no_grad()
def rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [out, in] -> the nearest int8 numbers, and the float32 scales [out] to multiply them by."""
    numbers, scales = torch.empty(weight.shape, dtype=torch.int8), torch.empty(len(weight))
    step = max(_ROUNDED_CHUNK // weight.shape[1], 1)
    pieces = (part.split(step) for part in (weight, numbers, scales))
    for piece, number, scale in zip(*pieces, strict=True):
        wide = _widened(piece, torch.float32)
        torch.maximum(wide.amax(1), -wide.amin(1), out=scale)
        scale.div_(_MOST).clamp_(min=torch.finfo(torch.float32).tiny)  # a row of zeros has one, too
        number.copy_(wide.div_(scale[:, None]).round_())
    return numbers, scales


def round_layers(
    model: VipLlavaForConditionalGeneration, dtype: torch.dtype, *, widened: bool
) -> None:
    """Put the linear layers of the decoder's layers in 8 bits, one after the other since what they are
    made from may lie in a file, and the rest of the model in this type.
    """
    for layer in model.model.language_model.layers:
        for module in list(layer.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.Linear):
                    setattr(module, name, Int8Linear(child, widened=widened))
    for weight in model.parameters():
        weight.data = weight.data.to(dtype)


def _product(input: Tensor, weight: Tensor) -> Tensor:
    """Of [..., in] and weights [out, in] in fewer bits, which are widened piece by piece."""
    step = max(WIDENED_CHUNK // weight.shape[1], 1)
    pieces = (_widened(piece, input.dtype) for piece in weight.split(step))
    return torch.cat([nn.functional.linear(input, piece) for piece in pieces], -1)


def _finished(output: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
    return (output if bias is None else output + bias).to(dtype)


_kept = threading.local()  # a buffer for each thread that answers


def _widened(piece: Tensor, dtype: torch.dtype) -> Tensor:
    """Weights in more bits, in memory that is used again and again: to get as much anew takes the system
    many times longer than to widen them.
    """
    if not hasattr(_kept, "buffer") or len(_kept.buffer) < piece.numel():
        _kept.buffer = torch.empty(piece.numel())
    buffer: Tensor = _kept.buffer
    return buffer.view(dtype)[: piece.numel()].view_as(piece).copy_(piece)


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
    """What transformers takes as `quantization_config`, the package being installed; None for what is
    rounded here.
    """
    return None if on_cpu and wanted == INT8 else _QUANTIZATIONS[wanted](on_cpu)


def _int8(on_cpu: bool) -> Any:
    from torchao.quantization import Int8WeightOnlyConfig

    return TorchAoConfig(Int8WeightOnlyConfig(), modules_to_not_convert=_KEPT)


def _nf4(on_cpu: bool) -> Any:
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=NF4,
        bnb_4bit_compute_dtype=torch.float32 if on_cpu else torch.bfloat16,
        llm_int8_skip_modules=_KEPT,
    )


_QUANTIZATIONS: Mapping[str, Callable[[bool], Any]] = {INT8: _int8, NF4: _nf4}
