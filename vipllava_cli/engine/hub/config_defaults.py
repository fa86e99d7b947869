"""The values that published config.json files leave out.

A file omits a value that equals the default in transformers: that of LlamaConfig for the text
model, and that of VipLlavaConfig's vision tower for the vision model.
"""

from collections.abc import Mapping
from typing import Any

TEXT_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}
VISION_DEFAULTS: Mapping[str, Any] = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
}

# The size of an attention head where it does not follow from the hidden size, by `model_type`.
HEAD_SIZES: Mapping[str, int] = {
    **dict.fromkeys(("gemma", "gemma2", "gemma3_text"), 256),
    **dict.fromkeys(("llama4_text", "ministral3", "qwen3", "qwen3_vl_text"), 128),
}

# The hidden states of the vision tower that the projector joins (VipLlavaConfig).
FEATURE_LAYERS = (-2, -5, -8, -11, 6)
