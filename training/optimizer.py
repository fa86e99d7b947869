"""Muon for hidden matrices (https://kellerjordan.github.io/posts/muon/).

torch.optim.Muon always computes in bfloat16. On a CPU without bfloat16 instructions that takes sixty
times as long as float32.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_UPDATE_RMS = 0.2  # root mean square of an update per learning rate, as AdamW's is


class Muon(Optimizer):
    """An optimizer that updates a matrix along the orthogonal matrix nearest to its momentum."""

    def __init__(
        self,
        weights: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
        precision: torch.dtype = torch.float32,
    ) -> None:
        """Create the optimizer. `precision` is the dtype of its matrix products."""
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(weights, defaults | {"precision": precision})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update the weights that have gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, weight.grad, group)

    def _update(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        momentum = state.setdefault("momentum", torch.zeros_like(gradient))
        momentum.lerp_(gradient, 1 - group["momentum"])
        nesterov = gradient.lerp(momentum, group["momentum"])
        direction = orthogonal(nesterov.to(group["precision"])).to(weight.dtype)
        learning_rate = group["lr"]
        weight.mul_(1 - learning_rate * group["weight_decay"])
        weight.add_(direction, alpha=-learning_rate * _UPDATE_RMS * max(weight.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """Approximate the nearest orthogonal matrix by Newton-Schulz iterations.

    The singular values of the result are between 0.7 and 1.2.
    """
    a, b, c = _NEWTON_SCHULZ
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
