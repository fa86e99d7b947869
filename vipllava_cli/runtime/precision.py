"""Fewer bits for a weight: quantised decoder layers, and products of 16-bit matrices on a CPU that has
no instructions for them.

Such a CPU reads 16-bit weights as fast as its memory allows, which is all that one new token needs, and
multiplies many rows by them many times slower than 32-bit ones. So the weights stay in 16 bits, and a
product of several rows widens them piece by piece.
"""

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

FEW_ROWS = 4  # below this, reading the weights takes longer than multiplying by them


class WidenedLinear(nn.Linear):
    """A linear layer in few bits whose products of several rows are made in 32."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if is_quantised(self.weight):  # such tensors cannot be cut in inference mode
            with torch.inference_mode(False), torch.no_grad():
                return self._product(input)
        return self._product(input)

    def _product(self, input: Tensor) -> Tensor:
        if input.numel() < FEW_ROWS * self.in_features or input.dtype == torch.float32:
            return super().forward(input)
        wide = input.float()
        step = max(WIDENED_AT_ONCE // self.in_features, 1)
        pieces = [self.weight[at : at + step] for at in range(0, self.out_features, step)]
        output = torch.cat([nn.functional.linear(wide, _widened(piece)) for piece in pieces], -1)
        return (output if self.bias is None else output + self.bias).to(input.dtype)


def is_quantised(weights: Tensor) -> bool:
    """Whether they are a tensor of torchao."""
    return type(weights).__module__.startswith("torchao")


def _widened(piece: Tensor) -> Tensor:
    """Plain or quantised weights in 32 bits."""
    return (piece.dequantize() if is_quantised(piece) else piece).float()


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
