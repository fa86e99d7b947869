"""The training model: `tiny` and the modules that exist only for its training."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase, VipLlavaForConditionalGeneration
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from training.dataset import Batch
from training.oracle_embeddings import OracleEmbeddings, class_tokens, initialize_decoder
from training.patch_heads import PatchHeads
from training.patch_selection import gather_patches


class TrainingModel(nn.Module):
    """The model with its patch heads and oracle embeddings. Checkpoints of the model omit these two."""

    class_tokens: Tensor

    def __init__(
        self, model: VipLlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerBase
    ) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.patch_heads = PatchHeads(model.config.vision_config.hidden_size)
        self.oracle = OracleEmbeddings(model.config.text_config.hidden_size)
        tokens = torch.tensor(class_tokens(tokenizer))
        self.register_buffer("class_tokens", tokens, persistent=False)

    def initialize(self) -> None:
        """Initialize the weights for training from scratch."""
        _initialize_tower(self.vision_tower)
        initialize_decoder(self.decoder, self.model.lm_head, self.oracle, self.tokenizer)

    def choose_implementation(self, *, compiled: bool) -> None:
        """Choose the fastest implementation. `compiled` compiles each layer, which takes a minute."""
        # With this few patches, eager attention is the fastest on a CPU.
        self.model.set_attn_implementation("sdpa" if torch.cuda.is_available() else "eager")
        if compiled:
            for layer in (*self.vision_tower.encoder.layers, *self.decoder.layers):
                layer.compile()

    @property
    def vision_tower(self) -> Any:
        """The CLIP vision transformer. Some versions of transformers wrap it."""
        tower = self.model.model.vision_tower
        return getattr(tower, "vision_model", tower)

    @property
    def decoder(self) -> Any:
        return self.model.model.language_model

    def encode(self, batch: Batch, kept: Tensor) -> list[Tensor]:
        """Encode the kept patches. Returns the states [batch, patches, width] of each layer."""
        assert batch.pixels is not None
        tower = self.vision_tower
        states = tower.embeddings(normalize_pixels(batch.pixels))
        states = torch.cat([states[:, :1], gather_patches(states[:, 1:], kept)], dim=1)
        layers = [tower.pre_layrnorm(states)]
        for layer in tower.encoder.layers:
            layers.append(layer(layers[-1], attention_mask=None))
        return [states[:, 1:] for states in layers]

    def project(self, layers: list[Tensor]) -> Tensor:
        """Project the tower's states to the decoder's inputs [batch, patches, width]."""
        selected = [layers[number] for number in self.model.config.vision_feature_layer]
        vectors: Tensor = self.model.model.multi_modal_projector(torch.cat(selected, dim=-1))
        return vectors

    def decode(self, input_ids: Tensor, image: Tensor, kept: Tensor) -> tuple[int, Tensor]:
        """Run the decoder with `image` vectors of the kept patches in place of the image tokens.

        `input_ids` is int64 [batch, length]; all rows have their image tokens at the same positions.
        Returns the first image position, and the states [batch, length without dropped patches, width].
        """
        is_image = input_ids[0] == self.model.config.image_token_id
        start, patches = int(is_image.nonzero()[0]), int(is_image.sum())
        end = start + patches
        words = self.decoder.embed_tokens(input_ids)
        inputs = torch.cat([words[:, :start], image.to(words.dtype), words[:, end:]], dim=1)
        positions = torch.arange(input_ids.shape[1], device=kept.device).expand(len(kept), -1)
        states: Tensor = self.decoder(
            inputs_embeds=inputs,
            # Kept patches keep their positions, as if the others were there.
            position_ids=torch.cat([positions[:, :start], start + kept, positions[:, end:]], dim=1),
            # Right padding needs no mask: attention is causal.
            attention_mask=torch.ones(inputs.shape[:2], dtype=torch.long, device=kept.device),
            use_cache=False,
        ).last_hidden_state
        return start, states


def normalize_pixels(pixels: Tensor) -> Tensor:
    """Normalize uint8 [batch, 3, side, side] to float32, as the processor does."""
    mean = torch.tensor(OPENAI_CLIP_MEAN, device=pixels.device).view(3, 1, 1)
    deviation = torch.tensor(OPENAI_CLIP_STD, device=pixels.device).view(3, 1, 1)
    return pixels.float().sub_(255 * mean).div_(255 * deviation)


def _initialize_tower(tower: Any) -> None:
    """Initialize weights with std 0.02: CLIP's own initialization is for wide towers."""
    depth = len(tower.encoder.layers)
    for name, weight in tower.named_parameters():
        if weight.ndim >= 2:
            is_output = name.endswith(("out_proj.weight", "fc2.weight"))
            nn.init.normal_(weight, std=0.02 / (2 * depth) ** 0.5 if is_output else 0.02)
