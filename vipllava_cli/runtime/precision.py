"""Products of 16-bit matrices on a CPU that has no instructions for them.

Such a CPU reads 16-bit weights as fast as its memory allows, which is all that one new token needs, and
multiplies many rows by them many times slower than 32-bit ones. So the weights stay in 16 bits, and a
product of several rows widens them piece by piece.
"""

import torch
from torch import Tensor, nn
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from vipllava_cli.runtime.placement import WIDENED_AT_ONCE

FEW_ROWS = 4  # below this, reading the weights takes longer than multiplying by them


class WidenedLinear(nn.Linear):
    """A linear layer of 16-bit weights whose products of several rows are made in 32 bits."""

    def forward(self, input: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        if input.numel() < FEW_ROWS * self.in_features or input.dtype == torch.float32:
            return super().forward(input)
        wide = input.float()
        pieces = self.weight.split(max(WIDENED_AT_ONCE // self.in_features, 1))
        output = torch.cat([nn.functional.linear(wide, piece.float()) for piece in pieces], dim=-1)
        return (output if self.bias is None else output + self.bias).to(input.dtype)


class WidenedModel(VipLlavaForConditionalGeneration):
    """The model with every linear layer so; made that way before its weights are loaded."""

    def __init__(self, config: VipLlavaConfig) -> None:
        super().__init__(config)
        for module in self.modules():
            if type(module) is nn.Linear:
                module.__class__ = WidenedLinear
        # The library finds the older names of weights by the name of the class.
        self.__class__ = VipLlavaForConditionalGeneration
