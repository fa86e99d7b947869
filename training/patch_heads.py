"""Linear heads that predict the patch targets from the vision tower, and their loss."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.metrics import MetricCounts
from training.patch_targets import IGNORE, PATCH_TARGETS, TARGET_INDEX

_MARK_COLOR, _MARKED_CLASS = TARGET_INDEX["mark_color"], TARGET_INDEX["marked_class"]


class PatchHeads(nn.Module):
    """One linear head for each patch target, on the tower's last layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.heads = nn.ModuleDict({t.name: nn.Linear(width, t.classes) for t in PATCH_TARGETS})

    def forward(self, states: Tensor, patch_targets: Tensor, counts: MetricCounts) -> Tensor:
        """Sum the targets' losses.

        `states` is [batch, patches, width], `patch_targets` int64 [batch, targets, patches].
        """
        states = self.norm(states)
        total = states.new_zeros((), dtype=torch.float32)
        for target, labels in zip(PATCH_TARGETS, patch_targets.unbind(1), strict=True):
            used = labels != IGNORE
            is_none = (labels == target.values) & target.has_none
            if target.none_rate < 1:
                sampled = torch.rand(labels.shape, device=labels.device) < target.none_rate
                used &= ~is_none | sampled
            weights = (
                _mark_weights(patch_targets)
                if target.balances_marks
                else torch.ones_like(states[..., 0])
            )
            logits = self.heads[target.name](states[used]).float()
            losses = functional.cross_entropy(logits, labels[used], reduction="none")
            total = total + target.loss_weight * weighted_mean(losses, weights[used])
            counted = used & ~is_none
            is_right = logits.argmax(-1) == labels[used]
            counts.add(
                target.name, right=int(is_right[counted[used]].sum()), total=int(counted.sum())
            )
        return total


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Average values by weight; 0 if all weights are 0."""
    return (values * weights).sum() / weights.sum().clamp(min=1e-6)


def _mark_weights(patch_targets: Tensor) -> Tensor:
    """Weight each patch by 1 / the number of patches of its mark; 0 without one. [batch, patches]."""
    colors = functional.one_hot(
        patch_targets[:, _MARK_COLOR].clamp(min=0), PATCH_TARGETS[_MARK_COLOR].classes
    )
    colors = colors * (patch_targets[:, _MARKED_CLASS] != IGNORE)[..., None]
    return (colors / colors.sum(1, keepdim=True).clamp(min=1)).sum(-1)
