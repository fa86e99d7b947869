"""Pretrained weights for a model whose image, patches or depth may differ."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from transformers import VipLlavaForConditionalGeneration

from training.architecture import GRID, PATCH_SIZE

# Config and layer number at which missing layers are inserted. In the vision tower that is behind the
# lowest layer that the projector reads, so that all the layers it reads keep their outputs.
_INSERT_AT: Mapping[str, tuple[str, int]] = {
    "vision_tower.": ("vision_config", 2),
    "language_model.": ("text_config", 3),
}
_RESIDUAL_OUTPUTS = ("out_proj", "fc2", "o_proj", "down_proj")  # of attention and MLP blocks
_WEIGHT_STD = 0.02


def load_pretrained(model: VipLlavaForConditionalGeneration, folder: Path) -> None:
    """Load the weights of a checkpoint into a model.

    The checkpoint may have other image and patch sizes: the weights are resized. It may have fewer
    layers: inserted layers pass their input on until they are trained.

    Raises RuntimeError for a checkpoint of another width or of more layers.
    """
    pretrained = VipLlavaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    weights = _renumber_layers(pretrained, model)
    for name, weight in weights.items():
        if name.endswith("position_embedding.weight"):
            weights[name] = _resize_positions(weight)
        elif name.endswith("patch_embedding.weight"):
            weights[name] = _resize_kernels(weight)
    for name, initial in model.state_dict().items():
        if name not in weights:
            weights[name] = _pass_through(name, initial)
    model.load_state_dict(weights)


def _renumber_layers(
    pretrained: VipLlavaForConditionalGeneration, model: VipLlavaForConditionalGeneration
) -> dict[str, Tensor]:
    """Return the pretrained weights under the layer numbers of the deeper model."""
    missing = {
        part: _layer_count(model, part) - _layer_count(pretrained, part) for part in _INSERT_AT
    }
    return {_renumber(name, missing): weight for name, weight in pretrained.state_dict().items()}


def _layer_count(model: VipLlavaForConditionalGeneration, part: str) -> int:
    count: int = getattr(model.config, _INSERT_AT[part][0]).num_hidden_layers
    return count


def _renumber(name: str, missing: Mapping[str, int]) -> str:
    part = next((part for part in _INSERT_AT if part in name), None)
    match = re.search(r"(?<=\.layers\.)\d+", name)
    if part is None or match is None or int(match[0]) < _INSERT_AT[part][1]:
        return name
    number = int(match[0]) + max(missing[part], 0)  # load_state_dict reports surplus layers
    return f"{name[: match.start()]}{number}{name[match.end() :]}"


def _pass_through(name: str, initial: Tensor) -> Tensor:
    """Return a weight of an inserted layer, which adds nothing to its residual stream."""
    if any(f".{output}." in name for output in _RESIDUAL_OUTPUTS):
        return torch.zeros_like(initial)
    return torch.randn_like(initial) * _WEIGHT_STD if initial.ndim == 2 else initial


def _resize_positions(embeddings: Tensor) -> Tensor:
    """Resize position embeddings [1 + side², width] to [1 + GRID², width]. Row 0 is the CLS token."""
    cls, patches = embeddings[:1], embeddings[1:]
    side = round(len(patches) ** 0.5)
    square = patches.T.reshape(1, -1, side, side)
    resized = functional.interpolate(square, (GRID, GRID), mode="bicubic", align_corners=False)
    return torch.cat([cls, resized.reshape(embeddings.shape[1], -1).T])


def _resize_kernels(kernels: Tensor) -> Tensor:
    """Resize patch kernels [width, 3, side, side] to [width, 3, PATCH_SIZE, PATCH_SIZE].

    Their outputs for a resized patch are about those of the old kernels for the patch itself
    ("FlexiViT", Beyer et al., 2023, section 3.4).
    """
    side = kernels.shape[-1]
    unit_images = torch.eye(side * side).view(-1, 1, side, side)
    resized = functional.interpolate(
        unit_images, (PATCH_SIZE,) * 2, mode="bicubic", align_corners=False
    )
    flat: Tensor = kernels.reshape(-1, side * side) @ torch.linalg.pinv(resized.flatten(1)).T
    return flat.view(*kernels.shape[:2], PATCH_SIZE, PATCH_SIZE)
