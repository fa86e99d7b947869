"""Linear layers of large models in bf16 on a CPU, with weights in the order of oneDNN.

A product of one row, as for a new token, takes two thirds of the time that it takes with plain weights.
In fp32, the plain ones are as fast.
"""

from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn

from vipllava_cli.engine.local.packed_linear import can_pack

_ROWS = 64  # of a product: for weights in bf16, oneDNN chooses one order for any number


class PackedModule(nn.Linear):
    """A linear layer whose weight is packed. Nothing but this class reads it."""

    def forward(self, input: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        run = torch.ops.mkldnn._linear_pointwise
        output: Tensor = run(input, self.weight, self.bias, "none", [], "")
        return output


def pack_linears(model: nn.Module) -> None:
    """Pack the bf16 weights of linear layers in place, one at a time.

    Leaves out a weight that another module shares, a layer that accelerate loads for each use, and one
    with weights of another type than those of torch.
    """
    users = Counter(map(id, _weights(model)))
    for module in model.modules():
        if type(module) is nn.Linear and users[id(module.weight)] == 1 and _is_plain(module):
            packed = torch.ops.mkldnn._reorder_linear_weight(module.weight.detach(), _ROWS)
            module.weight = nn.Parameter(packed, requires_grad=False)
            module.__class__ = PackedModule


def _weights(model: nn.Module) -> list[Any]:
    return [weight for _, weight in model.named_parameters(remove_duplicate=False)]


def _is_plain(module: nn.Linear) -> bool:
    weight = module.weight
    return (
        type(weight) is nn.Parameter
        and weight.dtype == torch.bfloat16
        and weight.device.type == "cpu"
        and not hasattr(module, "_hf_hook")
        and can_pack(weight)
    )
