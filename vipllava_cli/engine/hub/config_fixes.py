"""Fixes for published config.json files that contradict their weights, or leave values out."""

from collections.abc import Mapping, Sequence
from typing import Any

from vipllava_cli.engine.hub.config_defaults import FEATURE_LAYERS, VISION_DEFAULTS
from vipllava_cli.errors import ModelError

WeightShapes = Mapping[str, Sequence[int]]

_LAYER_KEYS = ("vision_feature_layer", "vision_feature_layers")  # the newer name first


def fix_config(config: Mapping[str, Any], shapes: WeightShapes, name: str) -> dict[str, Any]:
    """Make a config.json agree with the weights of model `name`. Returns a changed copy.

    Fixes the vision layers that the projector joins, and the size of the vocabulary.

    Raises ModelError if no known choice of vision layers fits the weights.
    """
    fixed = {key: value for key, value in config.items() if key not in _LAYER_KEYS}
    fixed["vision_feature_layer"] = _feature_layers(config, shapes, name)
    embeddings = _find_shape(shapes, "embed_tokens.weight")
    if embeddings:
        fixed["text_config"] = {**config["text_config"], "vocab_size": embeddings[0]}
    return fixed


def untie_head(config: Mapping[str, Any]) -> dict[str, Any]:
    """Say that a model has a head of its own, whatever its config.json says. Returns a changed copy.

    The default of several families is a head that is the embeddings, and published files leave the
    field out or have a wrong one. transformers (5.23.0) loads a head that differs in any case.
    """
    text = {**config["text_config"], "tie_word_embeddings": False}
    return {**config, "tie_word_embeddings": False, "text_config": text}


def _feature_layers(config: Mapping[str, Any], shapes: WeightShapes, name: str) -> int | list[int]:
    """Choose the first candidate that fits the projector and the vision tower.

    Candidates are the values of either key of config.json, then ViP-LLaVA's own layers.
    """
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    hidden, depth = vision["hidden_size"], vision["num_hidden_layers"]
    norm = _find_shape(shapes, "projector_layernorm.weight")
    declared = [config[key] for key in _LAYER_KEYS if config.get(key) is not None]
    for candidate in (*declared, FEATURE_LAYERS):
        layers = [candidate] if isinstance(candidate, int) else list(candidate)
        fits_projector = not norm or norm[0] == hidden * len(layers)
        if fits_projector and all(-depth - 1 <= layer <= depth for layer in layers):
            return candidate if isinstance(candidate, int) else layers
    expected = "any number of" if not norm else str(norm[0] // hidden)
    raise ModelError(
        f"{name}: config.json has no {_LAYER_KEYS[0]} that fits the weights: expected {expected} of"
        f" the vision tower's {depth} layers, found {declared[0] if declared else 'none'}; add it to"
        " config.json"
    )


def _find_shape(shapes: WeightShapes, ending: str) -> Sequence[int] | None:
    return next((shape for name, shape in shapes.items() if name.endswith(ending)), None)
