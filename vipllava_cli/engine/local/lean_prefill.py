"""Prefills prompts of ViP-LLaVA up to the end of the image on a CPU, without what nobody reads.

transformers also computes three things that a KV cache does not contain: the last layers of the vision
tower, which the projector does not read; the text before the image, again for each image; the queries and
the MLP of the last decoder layer.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.models.clip.modeling_clip import CLIPEncoderLayer, CLIPVisionModel
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaModel

from vipllava_cli.engine.local.lean_decoder import LeanDecoder, Pair
from vipllava_cli.engine.local.lean_layers import PackedTowerLayer
from vipllava_cli.engine.local.roomy_cache import keeps_all_tokens, new_cache

# Images that a small model reads at a time. More are not faster, and take more memory.
IMAGES_AT_A_TIME = 8


class LeanPrefill:
    """Computes keys and values of prompts up to the end of the image. Threads may share it.

    With `is_small` it packs copies of the weights, and reads a few images at a time.
    """

    def __init__(self, model: Any, *, is_small: bool) -> None:
        self._model = model.model
        self._image_token = model.config.image_token_id
        is_packed = is_small and _is_packable(model)
        self.decoder = LeanDecoder(model, is_packed=is_packed)
        tower = self._model.vision_tower.encoder.layers
        features = model.config.vision_feature_layer
        chosen = [features] if isinstance(features, int) else features
        self._features = [number % (len(tower) + 1) for number in chosen]
        used = tower[: max(self._features)]
        self._tower = [PackedTowerLayer(layer) for layer in used] if is_packed else list(used)
        self._images_at_a_time = IMAGES_AT_A_TIME if is_small else None
        self._text: tuple[tuple[int, ...], list[Pair]] = ((), [])  # the last one before an image

    def run(self, pixels: Tensor, ids: tuple[int, ...]) -> DynamicCache:
        """Return the cache of a prompt up to the end of the image, with a row for each image.

        `pixels` are [images, 3, side, side]. `ids` are the tokens, which end with those of the image.
        """
        cache, pairs = self.decoder.reserve(len(pixels), len(ids))
        length = ids.index(self._image_token)
        for written, text in zip(pairs, self._text_pairs(ids[:length]), strict=True):
            for to, states in zip(written, text, strict=True):
                to[:, :, :length] = states
        angles = self.decoder.angles(torch.arange(len(ids)))
        rows = self._images_at_a_time or len(pixels)
        for start in range(0, len(pixels), rows):
            end = start + rows
            some = [(keys[start:end], values[start:end]) for keys, values in pairs]
            self.decoder.read(self._project(pixels[start:end]), some, angles, length)
        return cache

    def _text_pairs(self, ids: tuple[int, ...]) -> list[Pair]:
        """Return keys and values of the text before an image, in one row."""
        known, pairs = self._text
        if not pairs or known != ids:
            _, pairs = self.decoder.reserve(1, len(ids))
            if ids:
                angles = self.decoder.angles(torch.arange(len(ids)))
                self.decoder.read(self.decoder.embed(torch.tensor([ids])), pairs, angles, 0)
            self._text = ids, pairs
        return pairs

    def _project(self, pixels: Tensor) -> Tensor:
        """Return the embeddings [images, tokens, size] of images."""
        tower = self._model.vision_tower
        states = [tower.pre_layrnorm(tower.embeddings(pixels))]
        for layer in self._tower:
            states.append(layer(states[-1], None))
        features = torch.cat([states[number][:, 1:] for number in self._features], -1)
        projected: Tensor = self._model.multi_modal_projector(features)
        return projected


def supports_lean_prefill(model: Any) -> bool:
    """Return whether this module knows all parts of the model, and all are in main memory."""
    parts = model.model
    config = model.config.get_text_config()
    return (
        type(parts.vision_tower) is CLIPVisionModel
        and type(parts.language_model) is LlamaModel
        and all(type(layer) is CLIPEncoderLayer for layer in parts.vision_tower.encoder.layers)
        and all(type(layer) is LlamaDecoderLayer for layer in parts.language_model.layers)
        and config._attn_implementation == "sdpa"
        and keeps_all_tokens(new_cache(config))
        and all(weight.device.type == "cpu" for weight in model.parameters())
        and not any(hasattr(module, "_hf_hook") for module in model.modules())
    )


def _is_packable(model: Any) -> bool:
    """Return whether the activations and weights are those of the packed layers."""
    parts, config = model.model, model.config
    linears = (
        module
        for part in (parts.vision_tower.encoder, parts.language_model)
        for name, module in part.named_modules()
        if name.endswith(("proj", "fc1", "fc2"))
    )
    return (
        config.vision_config.hidden_act == "quick_gelu"
        and config.get_text_config().hidden_act == "silu"
        and parts.vision_tower.config._attn_implementation == "sdpa"
        and all(type(module) is torch.nn.Linear for module in linears)
        and model.dtype == torch.float32
    )
