"""What published checkpoints leave out or say wrongly, told by their weights instead."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vipllava_cli.engine.hardware.model_spec import FEATURE_LAYERS, VISION_DEFAULTS
from vipllava_cli.engine.prompts.control_words import IMAGE
from vipllava_cli.errors import ModelError

if TYPE_CHECKING:  # a plan is made without them
    from transformers import LlavaProcessor, VipLlavaConfig

Shapes = Mapping[str, Sequence[int]]


def fix_config(config: Mapping[str, Any], shapes: Shapes, name: str) -> dict[str, Any]:
    """A config.json that fits the weights: the layers of the vision tower that are joined, and the rows
    of the vocabulary. Raises ModelError.
    """
    found = {key: value for key, value in config.items() if key not in _LAYER_KEYS}
    found["vision_feature_layer"] = _feature_layers(config, shapes, name)
    rows = _shape(shapes, "embed_tokens.weight")
    if rows:
        found["text_config"] = {**config["text_config"], "vocab_size": rows[0]}
    return found


def fix_processor(processor: "LlavaProcessor", config: "VipLlavaConfig", name: str) -> None:
    """How many tokens an image takes is told by the model itself, and a tokenizer that does not know
    the image's token learns it. Raises ModelError.
    """
    from tokenizers import AddedToken

    processor.patch_size = config.vision_config.patch_size
    processor.num_additional_image_tokens = 1
    processor.vision_feature_select_strategy = "default"
    tokenizer = processor.tokenizer
    tokenizer.padding_side = "left"
    if IMAGE not in tokenizer.get_vocab():
        tokenizer.add_tokens([AddedToken(IMAGE, special=True, normalized=False)])
    token = tokenizer.convert_tokens_to_ids(IMAGE)
    if token != config.image_token_id:
        raise ModelError(
            f"an image is token {config.image_token_id} to the model and {token} to its tokenizer:"
            f" the tokenizer of {name} does not fit its model"
        )


_LAYER_KEYS = ("vision_feature_layer", "vision_feature_layers")  # the newer name first


def _feature_layers(config: Mapping[str, Any], shapes: Shapes, name: str) -> int | list[int]:
    """The first that fits the projector and the tower: what config.json says by either name, or what
    ViP-LLaVA joins.
    """
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    hidden, depth = vision["hidden_size"], vision["num_hidden_layers"]
    width = _shape(shapes, "projector_layernorm.weight")
    said = [config[key] for key in _LAYER_KEYS if config.get(key) is not None]
    for layers in (*said, FEATURE_LAYERS):
        each = [layers] if isinstance(layers, int) else list(layers)
        is_wide_enough = width is None or width[0] == hidden * len(each)
        if is_wide_enough and all(-depth - 1 <= layer <= depth for layer in each):
            return layers if isinstance(layers, int) else each
    joined = "any number of" if width is None else str(width[0] // hidden)
    raise ModelError(
        f"{name}: config.json names no {_LAYER_KEYS[0]} that fits: expected {joined} of the vision"
        f" tower's {depth} layers, found {said[0] if said else 'none'}; add it to config.json"
    )


def _shape(shapes: Shapes, ending: str) -> Sequence[int] | None:
    return next((shape for name, shape in shapes.items() if name.endswith(ending)), None)
