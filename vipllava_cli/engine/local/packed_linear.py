"""Linear layers of small models on a CPU: weights in the order of oneDNN, and what follows in one pass.

A small matrix takes little longer than to read and write its result. So each further pass over the
result counts: an activation, a product with another tensor, the sum with the residual.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

_ROWS = 1024  # about as many as the products have: oneDNN chooses the order of the weights by them


class PackedLinear:
    """Maps [..., in] to the outputs of several linear layers, side by side: [..., out].

    Copies their weights. The inputs are multiplied by `input_scale` before, the outputs by `scale`.
    """

    def __init__(
        self, layers: Sequence[nn.Linear], scale: float = 1.0, input_scale: float = 1.0
    ) -> None:
        weight = torch.cat([layer.weight.detach() for layer in layers]) * (scale * input_scale)
        biases = [layer.bias for layer in layers if layer.bias is not None]
        self._bias = torch.cat([bias.detach() for bias in biases]) * scale if biases else None
        self._is_packed = can_pack(weight)
        if self._is_packed:
            weight = torch.ops.mkldnn._reorder_linear_weight(weight, _ROWS)
        self._weight = weight

    def __call__(self, input: Tensor) -> Tensor:
        """Return the outputs."""
        return self._run(input, "none")

    def silu(self, input: Tensor) -> Tensor:
        """Return the outputs after SiLU."""
        return self._run(input, "swish")

    def add(self, input: Tensor, other: Tensor) -> Tensor:
        """Return the sum of the outputs and `other`."""
        return self._combine(input, other, "add")

    def multiply(self, input: Tensor, other: Tensor) -> Tensor:
        """Return the product of the outputs and `other`, element by element."""
        return self._combine(input, other, "mul")

    def _run(self, input: Tensor, activation: str) -> Tensor:
        if self._is_packed:
            run = torch.ops.mkldnn._linear_pointwise
            output: Tensor = run(input, self._weight, self._bias, activation, [], "")
            return output
        output = linear(input, self._weight, self._bias)
        return silu(output, inplace=True) if activation == "swish" else output

    def _combine(self, input: Tensor, other: Tensor, operation: str) -> Tensor:
        if self._is_packed:
            run = torch.ops.mkldnn._linear_pointwise.binary
            output: Tensor = run(input, other, self._weight, self._bias, operation)
            return output
        output = linear(input, self._weight, self._bias)
        return output.mul_(other) if operation == "mul" else output.add_(other)


def can_pack(weight: Tensor) -> bool:
    """Return whether this torch has the operations of oneDNN for such a weight, and the CPU its type.

    They are not part of the public interface of torch, whose compiler uses them.
    """
    operations = ("_linear_pointwise", "_reorder_linear_weight", "_is_mkldnn_bf16_supported")
    if not torch.backends.mkldnn.is_available():
        return False
    if not all(hasattr(torch.ops.mkldnn, name) for name in operations):
        return False
    if weight.dtype == torch.bfloat16:
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return weight.dtype == torch.float32
