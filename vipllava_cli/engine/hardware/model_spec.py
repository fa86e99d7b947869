"""A config.json -> the parts of the model in the order of the data flow, with their sizes.

Everything is computed from the config: no torch, no weights. A test compares the counts with the
model itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.hub.config_defaults import FEATURE_LAYERS, TEXT_DEFAULTS, VISION_DEFAULTS

TOWER, PROJECTOR, EMBEDDINGS = "vision tower", "projector", "embeddings"
LAYER, NORM, HEAD = "decoder layer", "norm", "head"

# Weights published in 16 bits keep their type. All others become bf16, which has fp32's range.
_HALF_DTYPES: Mapping[str, str] = {"float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True)
class ModelPart:
    """A module that cannot be split over devices.

    `module` is its name in transformers, `kind` one of the constants above. `linear` counts the
    parameters in the matrices of a decoder layer, the only ones that quantization changes.
    """

    module: str
    kind: str
    parameters: int
    linear: int = 0


@dataclass(frozen=True)
class ModelSpec:
    """The parts of a model, and the sizes that determine its memory and speed.

    `kv_width` counts the numbers that a decoder layer caches for one token. `max_tokens` is the limit
    for a prompt and its answer. `half_dtype` is `fp16` or `bf16`: the 16-bit type of the weights.
    """

    parts: tuple[ModelPart, ...]
    image_tokens: int
    hidden: int
    intermediate: int
    kv_width: int
    vision_hidden: int
    vision_layers: int
    max_tokens: int
    half_dtype: str

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    def holder(self, part: ModelPart) -> ModelPart:
        """Return the part that holds the weights of a part: the embeddings for a tied head."""
        if part.kind != HEAD or part.parameters:
            return part
        return next(each for each in self.parts if each.kind == EMBEDDINGS)

    @property
    def layers(self) -> int:
        """The number of decoder layers."""
        return len(self.layer_modules)

    @property
    def layer_modules(self) -> tuple[str, ...]:
        """The names of the decoder layers."""
        return tuple(part.module for part in self.parts if part.kind == LAYER)


def read_model_spec(config: Mapping[str, Any]) -> ModelSpec:
    """Compute the parts of the model that a config.json describes.

    Raises KeyError, TypeError or ValueError if the config is not that of a VipLlava model.
    """
    text = {**TEXT_DEFAULTS, **config["text_config"]}
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    hidden, intermediate = int(text["hidden_size"]), int(text["intermediate_size"])
    heads = int(text["num_attention_heads"])
    head_size = int(text.get("head_dim") or hidden // heads)
    key_size = head_size * int(text.get("num_key_value_heads") or heads)
    linear = 2 * hidden * heads * head_size + 2 * hidden * key_size + 3 * hidden * intermediate
    biases = (heads * head_size + 2 * key_size + hidden) * bool(text.get("attention_bias"))
    biases += (2 * intermediate + hidden) * bool(text.get("mlp_bias"))
    embeddings = int(text["vocab_size"]) * hidden
    patches_per_side = int(vision["image_size"]) // int(vision["patch_size"])
    language = "model.language_model"
    layers = [
        ModelPart(f"{language}.layers.{number}", LAYER, linear + biases + 2 * hidden, linear)
        for number in range(int(text["num_hidden_layers"]))
    ]
    head = 0 if config.get("tie_word_embeddings") else embeddings
    return ModelSpec(
        parts=(
            ModelPart("model.vision_tower", TOWER, _count_tower(vision)),
            ModelPart(
                "model.multi_modal_projector", PROJECTOR, _count_projector(config, vision, hidden)
            ),
            ModelPart(f"{language}.embed_tokens", EMBEDDINGS, embeddings),
            *layers,
            ModelPart(f"{language}.norm", NORM, hidden),
            ModelPart(f"{language}.rotary_emb", NORM, 0),
            ModelPart("lm_head", HEAD, head),
        ),
        image_tokens=patches_per_side**2,
        hidden=hidden,
        intermediate=intermediate,
        kv_width=2 * key_size,
        vision_hidden=int(vision["hidden_size"]),
        vision_layers=int(vision["num_hidden_layers"]),
        max_tokens=int(text["max_position_embeddings"]),
        half_dtype=half_dtype_of(config),
    )


def half_dtype_of(*configs: Mapping[str, Any]) -> str:
    """Return the 16-bit type for weights that were published in a type: the first that is named."""
    named = (config.get("dtype") or config.get("torch_dtype") for config in configs)
    return _HALF_DTYPES.get(str(next(filter(None, named), None)), "bf16")


def _count_tower(vision: Mapping[str, Any]) -> int:
    """Count the parameters of a CLIP vision tower."""
    hidden, intermediate = int(vision["hidden_size"]), int(vision["intermediate_size"])
    patch = int(vision["patch_size"])
    positions = (int(vision["image_size"]) // patch) ** 2 + 1
    layer = 4 * (hidden + 1) * hidden + 4 * hidden + (2 * hidden + 1) * intermediate + hidden
    embeddings = hidden + 3 * patch**2 * hidden + positions * hidden
    return embeddings + 4 * hidden + int(vision["num_hidden_layers"]) * layer


def _count_projector(config: Mapping[str, Any], vision: Mapping[str, Any], hidden: int) -> int:
    """Count the parameters of the projector: a norm and two linear layers."""
    layers = config.get("vision_feature_layer") or config.get("vision_feature_layers")
    layers = FEATURE_LAYERS if layers is None else layers
    joined = int(vision["hidden_size"]) * (1 if isinstance(layers, int) else len(layers))
    return 2 * joined + (joined + 1) * hidden + (hidden + 1) * hidden
