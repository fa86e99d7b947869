"""Muon for hidden matrices (https://kellerjordan.github.io/posts/muon/).

torch's own always rounds to bfloat16 inside, which a processor without bfloat16 computes sixty times
slower than float32.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_ITERATIONS = 5
_LIKE_ADAMW = 0.2  # the step's root mean square, so that rates mean what they mean for AdamW


class Muon(Optimizer):
    """Steps along the orthogonal matrix nearest to the momentum."""

    def __init__(
        self,
        weights: Iterable[Tensor],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
        precision: torch.dtype = torch.float32,
    ) -> None:
        """`precision` is that of the products inside: bfloat16 where that is fast."""
        settings = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(weights, settings | {"precision": precision})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move the weights that have gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, weight.grad, group)

    def _move(self, weight: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        mean = state.setdefault("momentum", torch.zeros_like(gradient))
        mean.lerp_(gradient, 1 - group["momentum"])
        ahead = gradient.lerp(mean, group["momentum"])
        direction = orthogonal(ahead.to(group["precision"])).to(weight.dtype)
        rate = group["lr"]
        weight.mul_(1 - rate * group["weight_decay"])
        weight.add_(direction, alpha=-rate * _LIKE_ADAMW * max(weight.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """The orthogonal matrix nearest to a matrix, about: singular values between 0.7 and 1.2."""
    a, b, c = _NEWTON_SCHULZ
    wide = matrix.T if matrix.shape[0] > matrix.shape[1] else matrix
    wide = wide / wide.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = wide @ wide.T
        wide = torch.addmm(wide, torch.addmm(gram, gram, gram, beta=b, alpha=c), wide, beta=a)
    return wide.T if matrix.shape[0] > matrix.shape[1] else wide
