"""The models that have a short name: `tiny` from this package, `7b` and `13b` from the hub."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vipllava_cli.engine.hub.config_defaults import FEATURE_LAYERS, VISION_DEFAULTS

BUNDLED: Mapping[str, Path] = {"tiny": Path(__file__).parent.parent / "tiny"}

# The version of the weights in `tiny/`. Change it only when the weights change: record keys contain
# it, so a batch from another revision asks every question again.
TINY_REVISION = "0.1.0"


@dataclass(frozen=True)
class PublishedModel:
    """A model on the hub, with the facts that a plan needs before the download.

    `revision` is the branch, tag or commit to use if the user names none. `size` is the download in
    bytes. `config` contains the sizes from its config.json.
    """

    repository: str
    revision: str
    parameters: int
    size: int
    licence: str
    config: Mapping[str, Any]


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
        "vision_feature_layer": list(FEATURE_LAYERS),
        "vision_config": {
            "model_type": "clip_vision_model",
            "projection_dim": 768,
            **VISION_DEFAULTS,
        },
        "text_config": text,
    }


PUBLISHED: Mapping[str, PublishedModel] = {
    "7b": PublishedModel(
        repository="llava-hf/vip-llava-7b-hf",
        revision="main",
        parameters=7_080_214_528,
        size=14_162_000_000,
        licence="Llama 2 Community License",
        config=_config(4096, 11008, 32, 32),
    ),
    "13b": PublishedModel(
        repository="llava-hf/vip-llava-13b-hf",
        revision="main",
        parameters=13_372_476_416,
        size=26_747_000_000,
        licence="Llama 2 Community License",
        config=_config(5120, 13824, 40, 40),
    ),
}
