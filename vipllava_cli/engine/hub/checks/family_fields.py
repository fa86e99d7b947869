"""The fields of the config.json of a model family: kinds, ranges, and relations between them.

One table serves the whole file and its parts, because families agree about names. A field without a rule
is dropped, so the model has its default. Ranges are wide: the weights decide what really fits.
"""

from collections.abc import Mapping
from typing import Any

from vipllava_cli.engine.hub.checks.fields import (
    FLAG,
    Rule,
    Rules,
    check_fields,
    number,
    one_of,
    one_or_more,
    optional,
    text,
    whole,
)
from vipllava_cli.engine.hub.checks.schema import (
    ACTIVATIONS,
    ROPE_RULES,
    ROPE_TYPES,
    TYPES,
    UNUSED_RULES,
)
from vipllava_cli.engine.hub.config_defaults import HEAD_SIZES
from vipllava_cli.engine.hub.families import ModelFamily
from vipllava_cli.errors import ModelError, short_repr

_MAX_TOKEN = 1 << 22
_MAX_LAYERS = 512
_SIZE, _WIDE, _HEADS = whole(1, 1 << 16), whole(1, 1 << 18), whole(1, 512)
_LAYERS = whole(1, _MAX_LAYERS)
_TOKEN, _TOKENS = optional(whole(-1, _MAX_TOKEN)), optional(one_or_more(-1, _MAX_TOKEN, 64))
_IMAGE_TOKEN = optional(whole(0, _MAX_TOKEN))
_SHARE, _EPSILON, _FACTOR = number(0, 1), number(0, 1), number(-1e6, 1e6)
_CAP = optional(number(1e-3, 1e6))
_POSITIONS = whole(1, 1 << 24)
_LAYER_TYPES = (
    "attention",
    "chunked_attention",
    "full_attention",
    "linear_attention",
    "sliding_attention",
)


def _list_of(rule: Rule, max_count: int, *, may_be_empty: bool = True) -> Rule:
    """Accept null and a list of values that the rule accepts."""
    return Rule(
        f"up to {max_count} values, each {rule.expected}",
        lambda value: (
            value is None
            or (
                isinstance(value, list)
                and (may_be_empty or bool(value))
                and len(value) <= max_count
                and all(map(rule.accepts, value))
            )
        ),
    )


def _pairs(low: int, high: int, max_count: int) -> Rule:
    """Accept null and a list of pairs of whole numbers."""
    pair = Rule(
        f"two whole numbers from {low} to {high}",
        lambda value: (
            isinstance(value, list)
            and len(value) == 2
            and all(type(each) is int and low <= each <= high for each in value)
        ),
    )
    return _list_of(pair, max_count, may_be_empty=False)


_ROPE = optional(
    Rule("an object of up to 32 fields", lambda value: isinstance(value, dict) and len(value) <= 32)
)
_LAYER_NUMBERS = _list_of(whole(-_MAX_LAYERS, _MAX_LAYERS), _MAX_LAYERS)
_FEATURE_LAYER = optional(one_or_more(-_MAX_LAYERS, _MAX_LAYERS, 64))
_DTYPE = optional(one_of(TYPES))
_FLAG_OR_NUMBER = Rule(
    "true, false or a whole number from 0 to 64",
    lambda value: FLAG.accepts(value) or whole(0, 64).accepts(value),
)

PINPOINTS = _pairs(1, 4096, 64)
FAMILY_RULES: Rules = {
    # the whole
    "model_type": text(64),
    "dtype": _DTYPE,
    "torch_dtype": _DTYPE,
    "tie_word_embeddings": optional(FLAG),
    # tokens of an image and of the text
    **dict.fromkeys(
        (
            "boi_token_index",
            "eoi_token_index",
            "image_end_token_id",
            "image_start_token_id",
            "image_token_id",
            "image_token_index",
            "video_end_token_id",
            "video_start_token_id",
            "video_token_id",
            "video_token_index",
            "vision_end_token_id",
            "vision_start_token_id",
        ),
        _IMAGE_TOKEN,
    ),
    "bos_token_id": _TOKEN,
    "pad_token_id": _TOKEN,
    "eos_token_id": _TOKENS,
    "visual_indicator_token_ids": _list_of(whole(0, _MAX_TOKEN), 64),
    # from the vision tower to the text model
    "downsample_factor": whole(1, 64),
    "downsample_ratio": number(1 / 64, 1),
    "image_grid_pinpoints": PINPOINTS,
    "image_seq_length": optional(whole(1, 1 << 16)),
    "mm_tokens_per_image": optional(whole(1, 1 << 16)),
    "multi_modal_projector_bias": FLAG,
    "multimodal_projector_bias": FLAG,
    "pixel_shuffle_ratio": number(1 / 64, 1),
    "scale_factor": whole(1, 64),
    "spatial_merge_size": whole(1, 64),
    "vision_aspect_ratio": Rule(
        "anyres, anyres_max_N or pad",
        lambda value: (
            value in ("anyres", "pad") or value in [f"anyres_max_{n}" for n in range(1, 65)]
        ),
    ),
    "vision_feature_layer": _FEATURE_LAYER,
    "vision_feature_layers": _FEATURE_LAYER,
    "vision_feature_select_strategy": one_of(("default", "full")),
    # sizes
    **dict.fromkeys(
        (
            "embed_dim",
            "hidden_size",
            "out_hidden_size",
            "projection_dim",
            "projector_input_dim",
            "projector_output_dim",
            "vision_output_dim",
        ),
        _SIZE,
    ),
    "intermediate_size": _WIDE,
    "intermediate_size_mlp": _WIDE,
    "vocab_size": whole(1, _MAX_TOKEN),
    "head_dim": optional(whole(2, 1024)),
    "image_size": optional(one_or_more(1, 4096, 2)),
    "patch_size": optional(one_or_more(1, 512, 2)),
    "temporal_patch_size": one_or_more(1, 16, 2),
    "mlp_ratio": number(0.01, 64),
    "hidden_stride": whole(1, 64),
    "num_channels": whole(3, 3),
    "in_channels": whole(3, 3),
    "num_position_embeddings": whole(1, 1 << 20),
    "num_image_tokens": whole(1, 1 << 16),
    "num_visual_indicator_tokens": whole(0, 64),
    "max_num_tiles": whole(1, 64),
    "supported_aspect_ratios": _pairs(1, 64, 1024),
    # layers
    "depth": _LAYERS,
    "num_hidden_layers": _LAYERS,
    "num_global_layers": whole(0, _MAX_LAYERS),
    "max_window_layers": optional(whole(0, _MAX_LAYERS)),
    "layer_types": _list_of(one_of(_LAYER_TYPES), _MAX_LAYERS),
    **dict.fromkeys(
        (
            "cross_attention_layers",
            "deepstack_visual_indexes",
            "fullatt_block_indexes",
            "intermediate_layers_indices",
            "moe_layers",
            "no_rope_layers",
        ),
        _LAYER_NUMBERS,
    ),
    "interleave_moe_layer_step": whole(0, _MAX_LAYERS),
    "no_rope_layer_interval": whole(1, _MAX_LAYERS),
    "decoder_sparse_step": whole(1, _MAX_LAYERS),
    "mlp_only_layers": _LAYER_NUMBERS,
    "moe_intermediate_size": _WIDE,
    "num_experts": whole(1, 1024),
    "num_experts_per_tok": whole(1, 1024),
    "num_local_experts": whole(1, 1024),
    # attention
    "attention_heads": _HEADS,
    "num_attention_heads": _HEADS,
    "num_heads": _HEADS,
    "num_key_value_heads": optional(_HEADS),
    "attention_bias": FLAG,
    "attention_chunk_size": optional(_POSITIONS),
    "attn_temperature_tuning": _FLAG_OR_NUMBER,
    "attn_scale": _FACTOR,
    "floor_scale": whole(1, 1 << 24),
    "qkv_bias": FLAG,
    "query_pre_attn_scalar": number(1e-3, 1e6),
    "sliding_window": optional(_POSITIONS),
    "sliding_window_pattern": optional(whole(1, _MAX_LAYERS)),
    "use_bidirectional_attention": optional(FLAG),
    "use_qk_norm": FLAG,
    "use_sliding_window": optional(FLAG),
    "window_size": whole(1, 4096),
    # positions
    "max_position_embeddings": _POSITIONS,
    "original_max_position_embeddings": _POSITIONS,
    "partial_rotary_factor": optional(number(0.01, 1)),
    "rope_local_base_freq": number(1.5, 1e12),
    "rope_parameters": _ROPE,
    "rope_scaling": _ROPE,
    "rope_theta": number(1.5, 1e12),
    "tokens_per_second": whole(1, 1000),
    "use_absolute_position_embeddings": FLAG,
    # inside a layer
    **dict.fromkeys(
        ("hidden_act", "hidden_activation", "projector_hidden_act"), optional(one_of(ACTIVATIONS))
    ),
    **dict.fromkeys(
        (
            "adapter_layer_norm_eps",
            "layer_norm_eps",
            "norm_eps",
            "projector_layernorm_eps",
            "rms_norm_eps",
        ),
        _EPSILON,
    ),
    "attn_logit_softcapping": _CAP,
    "final_logit_softcapping": _CAP,
    **dict.fromkeys(
        (
            "attention_multiplier",
            "embedding_multiplier",
            "logit_scale",
            "logits_scaling",
            "residual_multiplier",
        ),
        _FACTOR,
    ),
    "layer_scale_init_value": _FACTOR,
    "mlp_bias": FLAG,
    "norm_type": one_of(("layer_norm", "rms_norm")),
    "tokenize_function": one_of(("gumbel_argmax", "softmax", "st_argmax")),
    "use_mask_token": FLAG,
    "use_mean_pooling": FLAG,
    "vision_use_head": FLAG,
}  # fmt: skip
_ROPE_TYPE = optional(one_of((*ROPE_TYPES, "axial", "mrope", "proportional")))
_FAMILY_ROPE_RULES: Rules = {
    **ROPE_RULES,
    "rope_type": _ROPE_TYPE,
    "type": _ROPE_TYPE,
    **dict.fromkeys(("long_factor", "short_factor"), _list_of(number(1e-3, 1e6), 1024)),
    **dict.fromkeys(("llama_4_scaling_beta", "mscale", "mscale_all_dim"), optional(_FACTOR)),
    "max_position_embeddings": _POSITIONS,
    "mrope_interleaved": FLAG,
    "mrope_section": _list_of(whole(1, 512), 3),
    "truncate": optional(FLAG),
}  # fmt: skip

_PARTS = ("text_config", "vision_config")
# Published without a part for the text model, whose fields are beside `vision_config`.
_FLAT = ("qwen2_vl", "qwen2_5_vl")
_OF_TEXT = ("bos_token_id", "eos_token_id", "pad_token_id")
_OF_ALL = ("dtype", "model_type", "tie_word_embeddings", "torch_dtype")
# transformers (5.23.0) joins the features of several vision layers in the other families only.
_ONE_FEATURE_LAYER = ("aya_vision", "internvl", "mistral3")


def check_family_config(
    config: Mapping[str, Any], family: ModelFamily, name: str
) -> dict[str, Any]:
    """Return the known fields of a config.json of a family, with those of the text model in their part.

    Raises ModelError if one is out of its range, if fields contradict each other, or if the weights
    are quantized.
    """
    where = f"{name}: config.json: "
    _refuse_quantized(config, name)
    known = check_fields(config, FAMILY_RULES, where)
    check_fields(config, UNUSED_RULES, where)
    types = dict(zip(_PARTS, (family.text_types, family.vision_types), strict=True))
    for part in _PARTS:
        values = config.get(part)
        if values is None and part == "text_config" and family.model_type in _FLAT:
            values = {field: known.pop(field) for field in list(known) if _is_of_text(field)}
        if not isinstance(values, dict):
            raise ModelError(
                f"{name}: config.json lacks {part}, or it is no object: get the checkpoint again"
            )
        known[part] = _check_part(values, types[part], f"{where}{part}.")
    _choose_one_layer(known, family, where)
    return known


def _choose_one_layer(known: dict[str, Any], family: ModelFamily, where: str) -> None:
    """Take the only vision layer out of its list. Raises ModelError for several that cannot be joined."""
    layers = known.get("vision_feature_layer")
    if isinstance(layers, list) and len(layers) == 1:
        known["vision_feature_layer"] = layers[0]
    elif isinstance(layers, list) and family.model_type in _ONE_FEATURE_LAYER:
        raise ModelError(
            f"{where}vision_feature_layer lists {len(layers)} layers: expected one, because {family.name}"
            " does not join the features of several"
        )


def _is_of_text(field: str) -> bool:
    """Return whether a field beside the parts is one of the text model."""
    is_token = field.endswith(("_token_id", "_token_index"))
    return field in _OF_TEXT or not (is_token or field in _OF_ALL or field in _PARTS)


def _check_part(
    values: Mapping[str, Any], model_types: tuple[str, ...], where: str
) -> dict[str, Any]:
    """Return the known fields of a part. Raises ModelError."""
    found = check_fields(values, FAMILY_RULES, where)
    check_fields(values, UNUSED_RULES, where)
    if found.setdefault("model_type", model_types[0]) not in model_types:
        raise ModelError(
            f"{where}model_type is {short_repr(found['model_type'])}: expected"
            f" {' or '.join(model_types)}"
        )
    for field in ("rope_parameters", "rope_scaling"):
        rope = found.get(field) or {}
        # Gemma 3 has the parameters of each kind of layers.
        nested = [each for each in rope.values() if isinstance(each, dict)]
        for each in nested or [rope]:
            check_fields(each, _FAMILY_ROPE_RULES, f"{where}{field}.")
    _check_relations(found, where.rstrip("."))
    if "attn_temperature_tuning" in found:  # Llama 4 was published with a number
        found["attn_temperature_tuning"] = bool(found["attn_temperature_tuning"])
    return found


def _check_relations(part: Mapping[str, Any], where: str) -> None:
    """Raise ModelError if fields of a part contradict each other. Fields that are left out are right."""
    heads = part.get("num_attention_heads") or part.get("num_heads") or part.get("attention_heads")
    layers = part.get("num_hidden_layers") or part.get("depth")
    size = part.get("embed_dim") or part.get("hidden_size")
    key_heads = part.get("num_key_value_heads")
    head_size = part.get("head_dim") or HEAD_SIZES.get(part["model_type"])
    if heads and key_heads and heads % key_heads:
        raise ModelError(f"{where}: {key_heads} key heads do not divide {heads} heads")
    if heads and size and not head_size and size % heads:
        raise ModelError(f"{where}: {heads} heads do not divide the hidden size {size}")
    if head_size and head_size % 2:
        raise ModelError(f"{where}: heads of {head_size} numbers: expected an even number")
    kinds = part.get("layer_types")
    if kinds and layers and len(kinds) != layers:
        raise ModelError(f"{where}: layer_types has {len(kinds)} entries for {layers} layers")
    side, patch = _largest(part.get("image_size")), _largest(part.get("patch_size"))
    if side and patch and patch > side:
        raise ModelError(f"{where}: patches of {patch} pixels do not fit an image of {side}")
    if side and patch and (side // patch) ** 2 > 1 << 16:
        raise ModelError(f"{where}: an image of {side} pixels has too many patches of {patch}")


def _largest(value: Any) -> int:
    return max(value) if isinstance(value, list) else value or 0


def _refuse_quantized(config: Mapping[str, Any], name: str) -> None:
    """Raise ModelError for weights that need another package to be read."""
    for part in (config, *(config.get(each) for each in _PARTS)):
        settings = part.get("quantization_config") if isinstance(part, dict) else None
        if settings:
            method = settings.get("quant_method") if isinstance(settings, dict) else settings
            raise ModelError(
                f"{name} is quantized ({short_repr(method)}): expected weights of 16 or 32 bits; get the"
                " checkpoint that is not quantized, and use --quantize"
            )
