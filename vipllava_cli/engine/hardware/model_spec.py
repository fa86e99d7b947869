"""A configuration -> the parts of the model in the order in which data takes them, counted without torch.

A test compares the counts with the model itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TOWER, PROJECTOR, EMBEDDINGS = "vision tower", "projector", "embeddings"
LAYER, NORM, HEAD = "decoder layer", "norm", "head"

# What published config.json files leave out because it is as in the classes of the two halves.
_TEXT_DEFAULTS: Mapping[str, Any] = {
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
# The 16 bits that weights lie in; others are cut down to the kind that has the range of 32.
_HALVES: Mapping[str, str] = {"float16": "fp16", "bfloat16": "bf16"}
FEATURE_LAYERS = (-2, -5, -8, -11, 6)


@dataclass(frozen=True)
class ModelPart:
    """A part that lies on one device as a whole. `linear` counts the weights of its matrices, which
    alone are quantised, and in decoder layers only.
    """

    module: str
    kind: str
    parameters: int
    linear: int = 0


@dataclass(frozen=True)
class ModelSpec:
    """The parts, and the sizes that memory and time follow from. `cache` counts the numbers that a
    decoder layer keeps for a token, `half` is the kind of 16 bits that suits the weights.
    """

    parts: tuple[ModelPart, ...]
    image_tokens: int
    hidden: int
    intermediate: int
    cache: int
    vision_hidden: int
    vision_layers: int
    vocabulary: int
    longest: int
    half: str

    @property
    def parameters(self) -> int:
        return sum(part.parameters for part in self.parts)

    @property
    def layers(self) -> int:
        return sum(part.kind == LAYER for part in self.parts)

    def of(self, *kinds: str) -> int:
        """The parameters in parts of these kinds."""
        return sum(part.parameters for part in self.parts if part.kind in kinds)


def spec(config: Mapping[str, Any]) -> ModelSpec:
    """The parts of the model that a config.json describes. Raises TypeError, ValueError for nonsense."""
    text = {**_TEXT_DEFAULTS, **config["text_config"]}
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    hidden, intermediate = int(text["hidden_size"]), int(text["intermediate_size"])
    heads = int(text["num_attention_heads"])
    head = int(text.get("head_dim") or hidden // heads)
    keys = head * int(text.get("num_key_value_heads") or heads)
    linear = 2 * hidden * heads * head + 2 * hidden * keys + 3 * hidden * intermediate
    biases = (heads * head + 2 * keys + hidden) * bool(text.get("attention_bias"))
    biases += (2 * intermediate + hidden) * bool(text.get("mlp_bias"))
    vocabulary = int(text["vocab_size"])
    words = vocabulary * hidden
    side = int(vision["image_size"]) // int(vision["patch_size"])
    language = "model.language_model"
    layers = [
        ModelPart(f"{language}.layers.{at}", LAYER, linear + biases + 2 * hidden, linear)
        for at in range(int(text["num_hidden_layers"]))
    ]
    return ModelSpec(
        parts=(
            ModelPart("model.vision_tower", TOWER, _tower(vision)),
            ModelPart("model.multi_modal_projector", PROJECTOR, _projector(config, vision, hidden)),
            ModelPart(f"{language}.embed_tokens", EMBEDDINGS, words),
            *layers,
            ModelPart(f"{language}.norm", NORM, hidden),
            ModelPart(f"{language}.rotary_emb", NORM, 0),
            ModelPart("lm_head", HEAD, 0 if config.get("tie_word_embeddings") else words),
        ),
        image_tokens=side**2,
        hidden=hidden,
        intermediate=intermediate,
        cache=2 * keys,
        vision_hidden=int(vision["hidden_size"]),
        vision_layers=int(vision["num_hidden_layers"]),
        vocabulary=vocabulary,
        longest=int(text["max_position_embeddings"]),
        half=_HALVES.get(str(config.get("dtype") or config.get("torch_dtype")), "bf16"),
    )


def _tower(vision: Mapping[str, Any]) -> int:
    hidden, intermediate = int(vision["hidden_size"]), int(vision["intermediate_size"])
    patch = int(vision["patch_size"])
    places = (int(vision["image_size"]) // patch) ** 2 + 1
    layer = 4 * (hidden + 1) * hidden + 4 * hidden + (2 * hidden + 1) * intermediate + hidden
    embeddings = hidden + 3 * patch**2 * hidden + places * hidden
    return embeddings + 4 * hidden + int(vision["num_hidden_layers"]) * layer


def _projector(config: Mapping[str, Any], vision: Mapping[str, Any], hidden: int) -> int:
    layers = config.get("vision_feature_layer") or config.get("vision_feature_layers")
    layers = FEATURE_LAYERS if layers is None else layers
    joined = int(vision["hidden_size"]) * (1 if isinstance(layers, int) else len(layers))
    return 2 * joined + (joined + 1) * hidden + (hidden + 1) * hidden
