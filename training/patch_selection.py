"""Which patches of an image a training step uses. Most images are mostly background."""

import torch
from torch import Tensor

from training.patch_targets import PATCH_TARGETS, TARGET_INDEX

# Of the 256 patches. Background is dropped first; this halves the work of a step.
KEPT_PATCHES = 116
KEPT_ORACLE_PATCHES = 92  # oracle embeddings are exact, so fewer patches do

_OBJECT_CLASS, _MARK_COLOR, _CENTER = (
    TARGET_INDEX[name] for name in ("object_class", "mark_color", "center")
)


def select_patches(
    patch_targets: Tensor, max_patches: int = KEPT_PATCHES, *, full_images: bool
) -> Tensor:
    """Pick the patches of a step, all if `full_images`: sorted indices, int64 [batch, patches].

    Patches with an object or a mark are likelier than background. The centres of objects always stay,
    because the model could not count objects that lose all their patches.
    """
    patches = patch_targets.shape[-1]
    if full_images:
        return torch.arange(patches, device=patch_targets.device).expand(len(patch_targets), -1)
    background, is_center = is_background(patch_targets), patch_targets[:, _CENTER] == 0
    noise = torch.rand(background.shape, device=patch_targets.device)
    rank = (~background).float() + 2 * is_center + 1.2 * noise
    return rank.topk(min(max_patches, patches), dim=1).indices.sort(dim=1).values


def is_background(patch_targets: Tensor) -> Tensor:
    """Return which patches show neither an object nor a mark: bool [batch, patches]."""
    no_object = PATCH_TARGETS[_OBJECT_CLASS].values
    no_mark = PATCH_TARGETS[_MARK_COLOR].values
    return (patch_targets[:, _OBJECT_CLASS] == no_object) & (
        patch_targets[:, _MARK_COLOR] == no_mark
    )


def gather_targets(patch_targets: Tensor, kept: Tensor) -> Tensor:
    """Gather the kept patches of [batch, targets, patches]."""
    return gather_patches(patch_targets.transpose(1, 2), kept).transpose(1, 2)


def gather_patches(values: Tensor, kept: Tensor) -> Tensor:
    """Gather the kept patches of [batch, patches, width]."""
    return values.gather(1, kept[..., None].expand(-1, -1, values.shape[-1]))
