"""The public models by their short names, as they are published on the hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Published:
    """`revision` is the hub's branch, tag or commit that is meant when nobody names one; `size` counts
    the bytes to download. `config` is what its config.json says about its shape.
    """

    repository: str
    revision: str
    parameters: int
    size: int
    licence: str
    config: Mapping[str, Any]


_VISION = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "image_size": 336,
    "patch_size": 14,
    "projection_dim": 768,
}


def _config(hidden: int, intermediate: int, layers: int, heads: int) -> Mapping[str, Any]:
    text = {
        "model_type": "llama",
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "vocab_size": 32064,
        "max_position_embeddings": 4096,
        "rms_norm_eps": 1e-05,
    }
    return {
        "model_type": "vipllava",
        "architectures": ["VipLlavaForConditionalGeneration"],
        "dtype": "float16",
        "image_token_index": 32000,
        "vision_feature_layer": [-2, -5, -8, -11, 6],
        "vision_config": _VISION,
        "text_config": text,
    }


PUBLISHED: Mapping[str, Published] = {
    "7b": Published(
        repository="llava-hf/vip-llava-7b-hf",
        revision="main",
        parameters=7_080_214_528,
        size=14_162_000_000,
        licence="Llama 2 Community License",
        config=_config(4096, 11008, 32, 32),
    ),
    "13b": Published(
        repository="llava-hf/vip-llava-13b-hf",
        revision="main",
        parameters=13_372_476_416,
        size=26_747_000_000,
        licence="Llama 2 Community License",
        config=_config(5120, 13824, 40, 40),
    ),
}
