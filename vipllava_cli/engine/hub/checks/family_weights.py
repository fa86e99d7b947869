"""Check the embeddings and layers of a model family by the headers of its weight files.

The engine compares every shape with the model before it takes memory. These checks need no torch.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vipllava_cli.engine.hub.checks.weights import Shape
from vipllava_cli.engine.hub.config_defaults import HEAD_SIZES
from vipllava_cli.errors import ModelError, short_repr

_MAX_LAYERS = 512
_MAX_RANK = 3  # of weights that are no convolution
_EMBEDDINGS = "embed_tokens.weight"
# A layer of a text model or a vision tower: the module that has the layers, and the number of the layer.
_LAYER = re.compile(r"(.*?(?:^|\.)(?:layers?|blocks))\.(\d{1,9})\.", re.ASCII)
_VISION = re.compile(r"(?:^|\.)(?:vision|visual)", re.ASCII)
# Mllama has tokens for images beside its vocabulary.
_EXTRA_ROWS: Mapping[str, int] = {"mllama": 8}
# These vision towers compute the positions of patches.
_WITHOUT_POSITIONS = (
    "pixtral",
    *(
        f"{family}{ending}"
        for family in ("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe")
        for ending in ("", "_vision")
    ),
)


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
    _check_sizes(config, shapes, name)
    _check_numbers(config, rows, depth, name)
    return rows


def _check_numbers(config: Mapping[str, Any], rows: int, depth: int | None, name: str) -> None:
    """Raise ModelError for an image token without an embedding, and for a missing feature layer."""
    where = f"{name}: config.json: "
    for field in ("image_token_id", "image_token_index"):
        token = config.get(field)
        if token is not None and token >= rows:
            raise ModelError(f"{where}{field} is {token}, and the model has {rows} embeddings")
    chosen = config.get("vision_feature_layer")
    layers = chosen if isinstance(chosen, list) else [] if chosen is None else [chosen]
    if depth and not all(-depth - 1 <= layer <= depth for layer in layers):
        raise ModelError(
            f"{where}vision_feature_layer is {short_repr(chosen)}, and the vision tower has {depth}"
            " layers"
        )


def _check_sizes(config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], name: str) -> None:
    """Raise ModelError if no weight has a size of config.json: the model would not fit its memory."""
    found: dict[str, set[int]] = {"text_config": set(), "vision_config": set()}
    is_fused = False
    for weight, shape in shapes.items():
        is_vision = _VISION.search(weight) is not None
        if len(shape) <= _MAX_RANK:
            found["vision_config" if is_vision else "text_config"].update(shape)
        is_fused |= not is_vision and "qkv" in weight
    for part, sizes in found.items():
        for field, accepted in _expected_sizes(config[part], has_queries=not is_fused):
            if sizes.isdisjoint(accepted):
                raise ModelError(
                    f"{name} does not fit its config.json: {part}.{field} is"
                    f" {short_repr(config[part].get(field))}, and no weight has that size; get the"
                    " checkpoint again"
                )


def _expected_sizes(
    part: Mapping[str, Any], *, has_queries: bool
) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the fields that name a size, each with the lengths that a weight may have for it."""
    for field in ("embed_dim", "hidden_size", "num_local_experts", "num_position_embeddings"):
        if field in part:
            yield field, (part[field],)
    if "intermediate_size" in part:
        size = part["intermediate_size"]
        yield "intermediate_size", (size, 2 * size)  # two matrices may be one
    heads, side, patch = (
        part.get(key) for key in ("num_attention_heads", "image_size", "patch_size")
    )
    is_text = "max_position_embeddings" in part
    head_size = part.get("head_dim") or HEAD_SIZES.get(part["model_type"])
    if has_queries and heads and (is_text or head_size):
        size = head_size or part.get("hidden_size", 0) // heads
        for field in ("num_attention_heads", "num_key_value_heads"):
            if part.get(field) and size:
                yield field, (part[field] * size,)
    if side and patch and part["model_type"] not in _WITHOUT_POSITIONS:
        sides, patches = (each if isinstance(each, list) else [each] for each in (side, patch))
        count = (sides[0] // patches[0]) * (sides[-1] // patches[-1])
        yield "image_size", (count, count + 1)  # one more for the whole image


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
