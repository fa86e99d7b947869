"""The weights of a model family, by the headers of the files: their embeddings and layers.

The engine compares every shape with the model before it takes memory. These checks need no torch.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vipllava_cli.engine.hub.checks.weights import Shape
from vipllava_cli.errors import ModelError

_MAX_LAYERS = 512
_EMBEDDINGS = "embed_tokens.weight"
# A layer of a text model or a vision tower: the module that has the layers, and the number of the layer.
_LAYER = re.compile(r"(.*?(?:^|\.)(?:layers?|blocks))\.(\d{1,9})\.", re.ASCII)
_VISION = re.compile(r"(?:^|\.)(?:vision|visual)", re.ASCII)
# Mllama has tokens for images beside its vocabulary.
_EXTRA_ROWS: Mapping[str, int] = {"mllama": 8}


def check_family_weights(
    config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], name: str
) -> int:
    """Compare a checkpoint's embeddings and layers with its checked config.

    Returns the rows of the embeddings. Raises ModelError.
    """
    text, vision = config["text_config"], config["vision_config"]
    rows, size = _embeddings(shapes, name)
    expected_rows = text.get("vocab_size")
    if expected_rows is not None:
        expected_rows += _EXTRA_ROWS.get(config["model_type"], 0)
    layers = count_layers(shapes)
    depth = vision.get("depth") or vision.get("num_hidden_layers")
    for what, found, expected in (
        ("embeddings", rows, expected_rows),
        ("numbers in an embedding", size, text.get("hidden_size")),
        ("layers of the text model", layers["text"], text.get("num_hidden_layers")),
        ("layers of the vision tower", layers["vision"], depth),
    ):
        if found > _MAX_LAYERS and "layers" in what:
            raise ModelError(
                f"{name} has {found} {what}: expected at most {_MAX_LAYERS}; get the checkpoint again"
            )
        if expected is not None and found != expected:
            raise ModelError(
                f"{name} does not fit its config.json: its weights have {found} {what}, and config.json"
                f" says {expected}; get the checkpoint again"
            )
    return rows


def count_layers(weights: Iterable[str]) -> Mapping[str, int]:
    """Count the layers of the text model and of the vision tower by the names of the weights.

    A tower of two parts counts as its longer one.
    """
    layers = {match.groups() for weight in weights if (match := _LAYER.match(weight))}
    counts: dict[str, int] = {"text": 0, "vision": 0}
    for module, count in Counter(module for module, _ in layers).items():
        part = "vision" if _VISION.search(module) else "text"
        counts[part] = max(counts[part], count)
    return counts


def _embeddings(shapes: Mapping[str, Sequence[int]], name: str) -> Shape:
    """Return the shape of the text model's embeddings. Raises ModelError."""
    found = {tuple(shape) for weight, shape in shapes.items() if weight.endswith(_EMBEDDINGS)}
    if len(found) != 1 or len(shape := found.pop()) != 2:
        raise ModelError(
            f"{name} has no weights of a text model: {_EMBEDDINGS} is missing, or is no matrix; get the"
            " checkpoint again"
        )
    return shape
