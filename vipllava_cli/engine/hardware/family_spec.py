"""The parts of a model of another family, counted on a model without weights (the meta device)."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from vipllava_cli.engine.hardware.model_spec import (
    EMBEDDINGS,
    HEAD,
    LAYER,
    NORM,
    PROJECTOR,
    TOWER,
    ModelPart,
    ModelSpec,
    half_dtype_of,
)

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedModel

# The constructor of a model takes time for each layer, even without weights.
_MAX_LAYERS = 512
_LAYER_FIELDS = ("num_hidden_layers", "depth", "num_global_layers", "num_layers")

_PHOTO_SIDE = 1024  # pixels of the image that a plan counts, for families without a fixed size
_MAX_TOKENS = 1 << 20  # of the prompt, if the config does not say


def read_family_spec(config: Mapping[str, Any]) -> ModelSpec:
    """Compute the parts of the model that the config.json of another family describes.

    Imports torch. Raises ValueError, TypeError or KeyError if the config describes no such model, and
    what transformers raises.
    """
    import torch
    from transformers import AutoConfig, AutoModelForImageTextToText
    from transformers.utils.logging import set_verbosity_error

    set_verbosity_error()  # token ids of a config may be those of no token; the checks allow that
    _check_layers(config)
    values = {key: value for key, value in config.items() if key != "model_type"}
    parsed = AutoConfig.for_model(config["model_type"], **values)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(parsed)
    text, vision = parsed.get_text_config(), parsed.vision_config
    heads = int(text.num_attention_heads)
    head_size = int(getattr(text, "head_dim", None) or text.hidden_size // heads)
    key_heads = int(getattr(text, "num_key_value_heads", None) or heads)
    sizes = vision.to_dict()
    return ModelSpec(
        parts=tuple(_parts(model)),
        image_tokens=max(_IMAGE_TOKENS[parsed.model_type](parsed.to_dict()), 1),
        hidden=int(text.hidden_size),
        intermediate=int(getattr(text, "intermediate_size_mlp", 0) or text.intermediate_size),
        kv_width=2 * key_heads * head_size,
        vision_hidden=int(sizes.get("embed_dim") or sizes["hidden_size"]),
        vision_layers=int(sizes.get("depth") or sizes["num_hidden_layers"]),
        max_tokens=int(getattr(text, "max_position_embeddings", None) or _MAX_TOKENS),
        half_dtype=half_dtype_of(config, config.get("text_config") or {}),
    )


def _check_layers(config: Mapping[str, Any]) -> None:
    """Raise ValueError if a part of the model has more layers than any published one."""
    for name in ("", "text_config", "vision_config"):
        part = config.get(name) if name else config
        if not isinstance(part, Mapping):
            continue
        for field in _LAYER_FIELDS:
            value = part.get(field) or 0
            if not isinstance(value, int) or not 0 <= value <= _MAX_LAYERS:
                raise ValueError(f"{field} is {value}: expected at most {_MAX_LAYERS}")


# --- parts ---------------------------------------------------------------------------------------


def _parts(model: "PreTrainedModel") -> Iterator[ModelPart]:
    """Yield the parts of a model: the decoder's layer by layer, the others as whole modules."""
    names = {module: name for name, module in model.named_modules()}
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    decoder = names[embeddings].rpartition(".")[0]
    opened = {decoder, names[head].rpartition(".")[0], f"{decoder}.layers"}
    opened |= {
        ".".join(name.split(".")[:depth]) for name in opened for depth in range(name.count(".") + 1)
    }
    is_tied = head.weight is embeddings.weight
    kinds = {names[embeddings]: EMBEDDINGS, names[head]: HEAD}
    for name, module in _open(model, "", opened):
        parameters = sum(each.numel() for each in module.parameters())
        kind = kinds.get(name) or _kind(name, decoder)
        counted = 0 if kind == HEAD and is_tied else parameters
        yield ModelPart(name, kind, counted, _linear(module) if kind == LAYER else 0)
    for name, parameter in model.named_parameters():
        if name.rpartition(".")[0] in opened:  # belongs to no module of its own
            yield ModelPart(name, PROJECTOR, parameter.numel())


def _open(module: "nn.Module", prefix: str, opened: set[str]) -> "Iterator[tuple[str, nn.Module]]":
    """Yield the modules below the opened ones, in the order of the model."""
    for child_name, child in module.named_children():
        name = f"{prefix}{child_name}"
        if name in opened:
            yield from _open(child, f"{name}.", opened)
        else:
            yield name, child


def _kind(name: str, decoder: str) -> str:
    if name.startswith(f"{decoder}.layers."):
        return LAYER
    if name.startswith(f"{decoder}."):
        return NORM
    return TOWER if "vis" in name else PROJECTOR


def _linear(layer: "nn.Module") -> int:
    """Count the parameters that quantization changes: the matrices of linear layers."""
    from torch import nn

    return sum(each.weight.numel() for each in layer.modules() if type(each) is nn.Linear)


# --- tokens of an image --------------------------------------------------------------------------


def _squares(config: Mapping[str, Any], tiles: int = 1, merged: int = 1) -> int:
    """Return the tokens of `tiles` squares of the tower's size, `merged` tokens a side as one."""
    vision = config["vision_config"]
    size, patch = vision["image_size"], vision["patch_size"]
    side = min(size) if isinstance(size, list | tuple) else size
    patch = min(patch) if isinstance(patch, list | tuple) else patch
    if vision["model_type"] == "pixtral":  # `image_size` is the largest image, not that of a tile
        side = min(side, _PHOTO_SIDE)
    return int(tiles * (side // (patch * merged)) ** 2)


def _native(config: Mapping[str, Any]) -> int:
    vision = config["vision_config"]
    cell = vision["patch_size"] * vision["spatial_merge_size"]
    return int((_PHOTO_SIDE // cell) ** 2)


def _cross(config: Mapping[str, Any]) -> int:
    """Only some layers cache the tiles: return the share of tokens of an average layer."""
    text = config["text_config"]
    layers = len(text["cross_attention_layers"])
    tokens = _squares(config, config["vision_config"]["max_num_tiles"])
    return int(tokens * layers // text["num_hidden_layers"])


# The tokens of a photograph of 1024 pixels, by `model_type`. Most families cut it into tiles.
_IMAGE_TOKENS: Mapping[str, Callable[[Mapping[str, Any]], int]] = {
    "llava": _squares,
    "llava_next": lambda config: _squares(config, 5),
    "llava_onevision": lambda config: _squares(config, 5),
    "qwen2_vl": _native,
    "qwen2_5_vl": _native,
    "qwen3_vl": _native,
    "qwen3_vl_moe": _native,
    "glm4v": _native,
    "glm46v": _native,
    "internvl": lambda config: 13 * int(config["image_seq_length"]),
    "smolvlm": lambda config: _squares(config, 17, config["scale_factor"]),
    "idefics3": lambda config: _squares(config, 17, config["scale_factor"]),
    "paligemma": _squares,
    "gemma3": lambda config: int(config["mm_tokens_per_image"]),
    "mistral3": lambda config: _squares(config, 1, config["spatial_merge_size"]),
    "llama4": lambda config: _squares(config, 17, 2),
    "mllama": _cross,
    "aya_vision": lambda config: _squares(config, 13, config["downsample_factor"]),
    "ovis2": lambda config: _squares(config, 10, config["vision_config"]["hidden_stride"]),
}
