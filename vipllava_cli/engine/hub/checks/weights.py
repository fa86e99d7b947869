"""The headers of safetensors files, and the weights that a config.json asks for."""

import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from vipllava_cli.engine.hub.checks.files import check_pointer, parse_json, reason_of, regular_size
from vipllava_cli.engine.hub.config_defaults import FEATURE_LAYERS, TEXT_DEFAULTS, VISION_DEFAULTS
from vipllava_cli.errors import ModelError, short_repr

Shape = tuple[int, ...]

# The format allows 100 MB. The header of the public 13B has 100 kB, and parsed text takes up to 20 times
# its size in memory.
MAX_HEADER_BYTES = 8 << 20
_LENGTH_BYTES = 8
_MAX_RANK = 8
_METADATA = "__metadata__"

# Bytes of a number by the name of its type in a header.
_ITEM_BYTES: Mapping[str, int] = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "I8", "U8", "BOOL"), 1),
}
_WEIGHT_TYPES = ("BF16", "F16", "F32", "F64")

# Numbers that older checkpoints store, and that the model computes itself.
COMPUTED = ("rotary_emb.inv_freq", "embeddings.position_ids")

# Older names of weights -> the names of `expected_shapes`, in this order.
_NAME_RULES = (
    (re.compile(r"^model\."), ""),
    (re.compile(r"^language_model\.model\."), "language_model."),
    (re.compile(r"^language_model\.lm_head\."), "lm_head."),
    (re.compile(r"^vision_tower\.vision_model\."), "vision_tower."),
)


def read_header(path: Path, name: str, advice: str) -> dict[str, Shape]:
    """Read the shape of each weight of a safetensors file: 8 bytes of length, then JSON, then data.

    Raises ModelError for a header that does not describe exactly the bytes of the file, and for weights
    that are no floating-point numbers. Reads nothing but the header.
    """

    def fail(problem: str) -> ModelError:
        return ModelError(f"{name}: {path.name} is damaged: {problem}; {advice}")

    size = regular_size(path, name) or 0
    try:
        with path.open("rb") as file:
            start = file.read(_LENGTH_BYTES)
            if len(start) < _LENGTH_BYTES:
                raise fail(f"it has {size} bytes")
            check_pointer(start, path.name, name)
            (length,) = struct.unpack("<Q", start)
            if length > min(MAX_HEADER_BYTES, size - _LENGTH_BYTES):
                raise fail(f"it claims a header of {length} bytes")
            text = file.read(length)
    except OSError as error:
        raise fail(reason_of(error)) from None
    header = parse_json(text, path.name, name, object_pairs_hook=lambda pairs: _unique(pairs, fail))
    if not isinstance(header, dict):
        raise fail("its header is no JSON object")
    header.pop(_METADATA, None)
    ends = [0]
    for weight, (begin, end) in sorted(
        ((weight, _offsets(weight, entry, fail)) for weight, entry in header.items()),
        key=lambda item: item[1],
    ):
        if begin != ends[-1]:
            raise fail(f"{short_repr(weight)} starts at byte {begin}, expected {ends[-1]}")
        ends.append(end)
    data = size - _LENGTH_BYTES - length
    if data != ends[-1]:
        raise ModelError(
            f"{name}: {path.name} is incomplete: its header describes {ends[-1]} bytes of weights,"
            f" and it has {data}; {advice}"
        )
    return {weight: tuple(entry["shape"]) for weight, entry in header.items()}


def _unique(pairs: Sequence[tuple[str, Any]], fail: Any) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise fail("its header has a name twice")
    return values


def _offsets(weight: str, entry: Any, fail: Any) -> tuple[int, int]:
    """Return where the data of a weight begins and ends. Raises what `fail` makes."""
    fields: dict[str, Any] = entry if isinstance(entry, dict) else {}
    kind, shape, offsets = (fields.get(key, "") for key in ("dtype", "shape", "data_offsets"))
    label = short_repr(weight)
    if not (isinstance(kind, str) and kind in _ITEM_BYTES):
        raise fail(f"{label} has the type {short_repr(kind)}")
    if kind not in _WEIGHT_TYPES and not weight.endswith(COMPUTED):
        raise fail(f"{label} has the type {kind}: expected {', '.join(_WEIGHT_TYPES)}")
    if not (_are_counts(shape) and len(shape) <= _MAX_RANK and all(shape)):
        raise fail(f"{label} has the shape {short_repr(shape)}")
    if not (_are_counts(offsets) and len(offsets) == 2):
        raise fail(f"{label} has the place {short_repr(offsets)}")
    begin, end = offsets
    expected = prod(shape) * _ITEM_BYTES[kind]
    if end - begin != expected:
        raise fail(f"{label} has {end - begin} bytes: expected {expected} for {shape} of {kind}")
    return begin, end


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(each, int) and not isinstance(each, bool) and 0 <= each < 1 << 63
        for each in value
    )


# --- what a config.json asks for -------------------------------------------------------------


def check_weights(
    config: Mapping[str, Any], shapes: Mapping[str, Sequence[int]], name: str
) -> None:
    """Compare the shapes of a checkpoint's weights with its config. Raises ModelError."""
    found: dict[str, Shape] = {}
    doubled = []
    for weight, shape in shapes.items():
        canonical = canonical_weight(weight)
        if canonical in found:
            doubled.append(weight)
        if not canonical.endswith(COMPUTED):
            found[canonical] = tuple(shape)
    refuse_weights("repeated", doubled, name)
    expected = expected_shapes(config)
    optional = {"lm_head.weight"} if _is_tied(config) else set()
    refuse_weights("missing", expected.keys() - found.keys() - optional, name)
    refuse_weights("unexpected", found.keys() - expected.keys(), name)
    refuse_weights(
        "mismatched",
        [
            f"{weight} {list(shape)} for {list(expected[weight])}"
            for weight, shape in found.items()
            if shape != expected[weight]
        ],
        name,
    )


def refuse_weights(problem: str, weights: Iterable[str], name: str) -> None:
    """Raise ModelError if there are weights with this problem."""
    names = sorted(weights)
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        shown = ", ".join(each if len(each) <= 120 else short_repr(each) for each in names[:3])
        raise ModelError(
            f"{name} does not fit its config.json: {len(names)} {problem} weights"
            f" ({shown}{more}); get the checkpoint again"
        )


def canonical_weight(weight: str) -> str:
    """Return the name of a weight without the differences between versions of transformers."""
    for pattern, replacement in _NAME_RULES:
        weight = pattern.sub(replacement, weight)
    return weight


def _is_tied(config: Mapping[str, Any]) -> bool:
    text = config["text_config"]
    return bool(config.get("tie_word_embeddings") or text.get("tie_word_embeddings"))


def expected_shapes(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the shape of every weight of the model that a checked config describes."""
    text = {**TEXT_DEFAULTS, **config["text_config"]}
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    layers = config.get("vision_feature_layer", FEATURE_LAYERS)
    joined = vision["hidden_size"] * (1 if isinstance(layers, int) else len(layers))
    hidden, vocabulary = text["hidden_size"], text["vocab_size"]
    shapes: dict[str, Shape] = {
        "lm_head.weight": (vocabulary, hidden),
        "language_model.embed_tokens.weight": (vocabulary, hidden),
        "language_model.norm.weight": (hidden,),
    }
    shapes |= _linear("multi_modal_projector.linear_1", joined, hidden)
    shapes |= _linear("multi_modal_projector.linear_2", hidden, hidden)
    shapes |= _norm("multi_modal_projector.projector_layernorm", joined)
    for layer in range(text["num_hidden_layers"]):
        shapes |= _decoder_layer(f"language_model.layers.{layer}", text)
    return shapes | dict(_tower(vision))


def _decoder_layer(layer: str, text: Mapping[str, Any]) -> dict[str, Shape]:
    """Return the shapes of a layer of Llama."""
    hidden, wide, heads = (
        text[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads")
    )
    head_size = text.get("head_dim") or hidden // heads
    queries, keys = heads * head_size, (text.get("num_key_value_heads") or heads) * head_size
    shapes: dict[str, Shape] = {}
    for matrix, (inputs, outputs) in {
        "q_proj": (hidden, queries),
        "k_proj": (hidden, keys),
        "v_proj": (hidden, keys),
        "o_proj": (queries, hidden),
    }.items():
        has_bias = bool(text.get("attention_bias"))
        shapes |= _linear(f"{layer}.self_attn.{matrix}", inputs, outputs, has_bias=has_bias)
    for matrix, (inputs, outputs) in {
        "gate_proj": (hidden, wide),
        "up_proj": (hidden, wide),
        "down_proj": (wide, hidden),
    }.items():
        has_bias = bool(text.get("mlp_bias"))
        shapes |= _linear(f"{layer}.mlp.{matrix}", inputs, outputs, has_bias=has_bias)
    for norm in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"{layer}.{norm}.weight"] = (hidden,)
    return shapes


def _tower(vision: Mapping[str, Any]) -> Iterator[tuple[str, Shape]]:
    """Yield the shapes of a CLIP vision tower."""
    hidden, wide = vision["hidden_size"], vision["intermediate_size"]
    patch = vision["patch_size"]
    yield "vision_tower.embeddings.class_embedding", (hidden,)
    yield "vision_tower.embeddings.patch_embedding.weight", (hidden, 3, patch, patch)
    positions = (vision["image_size"] // patch) ** 2 + 1
    yield "vision_tower.embeddings.position_embedding.weight", (positions, hidden)
    for norm in ("pre_layrnorm", "post_layernorm"):  # the first is misspelled in every checkpoint
        yield from _norm(f"vision_tower.{norm}", hidden).items()
    for number in range(vision["num_hidden_layers"]):
        layer = f"vision_tower.encoder.layers.{number}"
        for matrix in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{layer}.self_attn.{matrix}", hidden, hidden).items()
        yield from _linear(f"{layer}.mlp.fc1", hidden, wide).items()
        yield from _linear(f"{layer}.mlp.fc2", wide, hidden).items()
        for norm in ("layer_norm1", "layer_norm2"):
            yield from _norm(f"{layer}.{norm}", hidden).items()


def _linear(module: str, inputs: int, outputs: int, *, has_bias: bool = True) -> dict[str, Shape]:
    bias: dict[str, Shape] = {f"{module}.bias": (outputs,)} if has_bias else {}
    return {f"{module}.weight": (outputs, inputs), **bias}


def _norm(module: str, size: int) -> dict[str, Shape]:
    return {f"{module}.weight": (size,), f"{module}.bias": (size,)}
