"""The fields of config.json, of the processor's files and of generation_config.json that count.

Every other field is ignored. Ranges are wide: the largest published language model has a hidden size of
16,384. The weights decide what really fits.
"""

from collections.abc import Mapping
from typing import Any

from vipllava_cli.engine.hub.checks.fields import (
    FLAG,
    Rules,
    check_fields,
    mapping,
    number,
    numbers,
    one_of,
    one_or_more,
    optional,
    text,
    whole,
)
from vipllava_cli.engine.hub.config_defaults import TEXT_DEFAULTS, VISION_DEFAULTS
from vipllava_cli.errors import ModelError

ACTIVATIONS = (
    "gelu", "gelu_fast", "gelu_new", "gelu_pytorch_tanh", "quick_gelu", "relu", "silu", "swish", "tanh"
)  # fmt: skip
TYPES = ("float16", "bfloat16", "float32", "float64", "auto")
_MAX_TOKEN = 1 << 22
_HIDDEN, _WIDE, _LAYERS, _HEADS = whole(1, 1 << 16), whole(1, 1 << 18), whole(1, 512), whole(1, 512)
_EPSILON, _SHARE = number(0, 1), number(0, 1)
_TOKEN = optional(whole(-1, _MAX_TOKEN))
_TOKENS = optional(one_or_more(-1, _MAX_TOKEN, 64))
_IMAGE_SIDE = whole(1, 4096)

ROOT_RULES: Rules = {
    "model_type": text(64),
    "dtype": optional(one_of(TYPES)),
    "torch_dtype": optional(one_of(TYPES)),
    "image_token_index": whole(0, _MAX_TOKEN),
    "image_token_id": whole(0, _MAX_TOKEN),
    "image_seq_length": optional(whole(1, 1 << 16)),
    "vision_feature_layer": optional(one_or_more(-512, 512, 64)),
    "vision_feature_layers": optional(one_or_more(-512, 512, 64)),
    "projector_hidden_act": one_of(ACTIVATIONS),
    "projector_layernorm_eps": _EPSILON,
    "tie_word_embeddings": FLAG,
}
TEXT_RULES: Rules = {
    "model_type": one_of(("llama", "mistral")),
    "hidden_size": _HIDDEN,
    "intermediate_size": _WIDE,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "num_key_value_heads": optional(_HEADS),
    "head_dim": optional(whole(2, 1024)),
    "vocab_size": whole(1, _MAX_TOKEN),
    "max_position_embeddings": whole(1, 1 << 24),
    "rms_norm_eps": _EPSILON,
    "hidden_act": one_of(ACTIVATIONS),
    "attention_bias": FLAG,
    "mlp_bias": FLAG,
    "rope_theta": number(1.5, 1e12),
    "rope_scaling": optional(mapping(32)),
    "rope_parameters": optional(mapping(32)),
    "sliding_window": optional(whole(1, 1 << 24)),
    "tie_word_embeddings": FLAG,
    "dtype": optional(one_of(TYPES)),
    "torch_dtype": optional(one_of(TYPES)),
    "bos_token_id": _TOKENS,
    "eos_token_id": _TOKENS,
    "pad_token_id": _TOKEN,
}
VISION_RULES: Rules = {
    "model_type": one_of(("clip_vision_model",)),
    "hidden_size": _HIDDEN,
    "intermediate_size": _WIDE,
    "num_hidden_layers": _LAYERS,
    "num_attention_heads": _HEADS,
    "image_size": _IMAGE_SIDE,
    "patch_size": whole(1, 512),
    "num_channels": whole(3, 3),
    "projection_dim": _HIDDEN,
    "hidden_act": one_of(ACTIVATIONS),
    "layer_norm_eps": _EPSILON,
    "dtype": optional(one_of(TYPES)),
    "torch_dtype": optional(one_of(TYPES)),
}
ROPE_TYPES = ("default", "dynamic", "linear", "llama3", "longrope", "yarn")
_ROPE_TYPE = optional(one_of(ROPE_TYPES))
_ROPE_FACTOR = optional(number(1e-3, 1e6))
# The fields of `rope_parameters`, which older versions call `rope_scaling`.
ROPE_RULES: Rules = {
    "rope_type": _ROPE_TYPE,
    "type": _ROPE_TYPE,
    "rope_theta": number(1.5, 1e12),
    "factor": number(1, 1e4),
    "original_max_position_embeddings": whole(1, 1 << 24),
    "partial_rotary_factor": optional(number(0.01, 1)),
    **dict.fromkeys(
        ("attention_factor", "beta_fast", "beta_slow", "high_freq_factor", "low_freq_factor"),
        _ROPE_FACTOR,
    ),
}
# Fields that have no use here. The tokenizer of transformers 5.23.0 reads config.json once more, with all
# fields, and makes a name for each label.
UNUSED_RULES: Rules = {"num_labels": optional(whole(0, 1 << 16))}
# The only fields of generation_config.json that this program uses.
GENERATION_RULES: Rules = {
    "bos_token_id": _TOKENS,
    "eos_token_id": _TOKENS,
    "pad_token_id": _TOKEN,
}
_IMAGE_PROCESSORS = (
    "CLIPFeatureExtractor",
    *(
        f"{model}ImageProcessor{kind}"
        for model in ("CLIP", "Llava")
        for kind in ("", "Fast", "Pil")
    ),
)
IMAGE_RULES: Rules = {
    "image_processor_type": one_of(_IMAGE_PROCESSORS),
    "feature_extractor_type": one_of(_IMAGE_PROCESSORS),
    "image_mean": numbers(3, -1000, 1000),
    "image_std": numbers(3, 1e-6, 1000),
    "rescale_factor": number(1e-9, 1e3),
    "resample": whole(0, 5),
    "do_center_crop": FLAG,
    "do_convert_rgb": optional(FLAG),
    "do_normalize": FLAG,
    "do_pad": optional(FLAG),
    "do_rescale": FLAG,
    "do_resize": FLAG,
}
_SIZE_FIELDS = ("shortest_edge", "longest_edge", "height", "width")
_SIZE_RULES: Rules = dict.fromkeys(_SIZE_FIELDS, optional(_IMAGE_SIDE))


def check_config(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the known fields of a config.json. Raises ModelError if one is out of its range."""
    where = f"{name}: config.json: "
    known = check_fields(config, ROOT_RULES, where)
    check_fields(config, UNUSED_RULES, where)
    for part, rules in (("text_config", TEXT_RULES), ("vision_config", VISION_RULES)):
        if isinstance(config.get(part), dict):
            known[part] = check_fields(config[part], rules, f"{where}{part}.")
            check_fields(config[part], UNUSED_RULES, f"{where}{part}.")
    for field in ("rope_parameters", "rope_scaling"):
        rope = known.get("text_config", {}).get(field) or {}
        check_fields(rope, ROPE_RULES, f"{where}text_config.{field}.")
    _check_relations(known, where)
    return known


def _check_relations(config: Mapping[str, Any], where: str) -> None:
    """Raise ModelError if fields contradict each other."""
    text = {**TEXT_DEFAULTS, **config.get("text_config", {})}
    vision = {**VISION_DEFAULTS, **config.get("vision_config", {})}
    heads = text["num_attention_heads"]
    key_heads = text.get("num_key_value_heads") or heads
    head_size = text.get("head_dim") or text["hidden_size"] // heads
    side, patch = vision["image_size"], vision["patch_size"]
    tokens = (side // patch) ** 2
    problems = (
        (
            bool(text.get("head_dim")) or text["hidden_size"] % heads == 0,
            f"text_config: {heads} heads do not divide the hidden size {text['hidden_size']}",
        ),
        (head_size % 2 == 0, f"text_config: heads of {head_size} numbers: expected an even number"),
        (heads % key_heads == 0, f"text_config: {key_heads} key heads do not divide {heads} heads"),
        (
            vision["hidden_size"] % vision["num_attention_heads"] == 0,
            f"vision_config: {vision['num_attention_heads']} heads do not divide the hidden size"
            f" {vision['hidden_size']}",
        ),
        (patch <= side, f"vision_config: patches of {patch} pixels do not fit an image of {side}"),
        (
            tokens < text["max_position_embeddings"],
            f"an image takes {tokens} tokens, and the text model reads"
            f" {text['max_position_embeddings']}",
        ),
    )
    for is_right, problem in problems:
        if not is_right:
            raise ModelError(f"{where}{problem}")


def check_generation(values: Mapping[str, Any], rows: int, name: str) -> None:
    """Check the token ids of a generation_config.json for a model with `rows` embeddings.

    The id of the start may have no embedding: the prompt has its start from the chat template. Configs of
    transformers have such a default. Raises ModelError.
    """
    where = f"{name}: generation_config.json: "
    for field, value in check_fields(values, GENERATION_RULES, where).items():
        if field == "bos_token_id":
            continue
        for id in value if isinstance(value, list) else [value]:
            if id is not None and id >= rows:
                raise ModelError(f"{where}{field} is {id}, and the model has {rows} embeddings")


# What the other fields of generation_config.json have when they change nothing.
_NEUTRAL: Mapping[str, object] = {
    "_from_model_config": True,
    "diversity_penalty": 0.0,
    "encoder_no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    "length_penalty": 1.0,
    "max_length": 20,
    "num_assistant_tokens": 20,
    "num_beam_groups": 1,
    "num_beams": 1,
    "num_return_sequences": 1,
    "remove_invalid_values": False,
    "repetition_penalty": 1.0,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "typical_p": 1.0,
    "use_cache": True,
}
_UNRELATED = ("transformers_version",)  # says nothing about answers


def ignored_generation_fields(values: Mapping[str, Any]) -> list[str]:
    """Return the fields of a generation_config.json that would change answers, and are not used."""
    return sorted(
        field
        for field, value in values.items()
        if field not in (*GENERATION_RULES, *_UNRELATED)
        and value not in (None, False, 0, "", [], {}, _NEUTRAL.get(field))
    )


def check_image_processor(values: Mapping[str, Any], side: int, file: str, name: str) -> None:
    """Check how a processor prepares images for a model that sees `side` pixels. Raises ModelError."""
    where = f"{name}: {file}: "
    check_fields(values, IMAGE_RULES, where)
    sizes = {
        field: _sides(values[field], where + field)
        for field in ("size", "crop_size")
        if values.get(field) is not None
    }
    crops = values.get("do_center_crop", True)
    last = "crop_size" if crops else "size"
    if last in sizes and any(each != side for each in sizes[last]):
        raise ModelError(
            f"{where}{last} makes images of {sizes[last][0]} pixels: expected {side}, the image size"
            " in config.json"
        )


def _sides(value: object, where: str) -> list[int]:
    """Return the lengths in a size, which is a number or an object. Raises ModelError."""
    fields = value if isinstance(value, dict) else {"shortest_edge": value}
    known = check_fields(fields, _SIZE_RULES, f"{where}." if fields is value else f"{where} as ")
    sides = [each for each in known.values() if each is not None]
    if not sides or len(known) < len(fields):
        raise ModelError(f"{where}: expected {', '.join(_SIZE_FIELDS)}")
    return sides
