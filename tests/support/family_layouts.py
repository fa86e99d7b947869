"""The files of each model family in small: tokenizer, config.json, image processor, processor."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support import family_tokens
from tests.support.family_tokenizers import TokenizerLayout

IdOf = Callable[[str], int]

HIDDEN = 64
_TEXT = {
    "hidden_size": HIDDEN,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
_WIDE_HEADS = {**_TEXT, "head_dim": 16}
_VISION = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}
_QWEN_VISION = {
    "depth": 2,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_heads": 2,
    "patch_size": 14,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}


@dataclass(frozen=True)
class FamilyLayout:
    """What makes up a checkpoint of one family.

    `config` receives the id of a token. `images` holds the fields of the image processor that differ from
    the library's, `image_processor` its published name. `processor` are the fields of
    processor_config.json. `ends` are the tokens that end an answer.
    """

    model_type: str
    tokenizer: TokenizerLayout
    config: Callable[[IdOf], dict[str, Any]]
    image_processor: str
    images: Mapping[str, Any]
    processor_class: str
    ends: tuple[str, ...]
    processor: Mapping[str, Any] = field(default_factory=dict)
    video_processor: str = ""


def _llava(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_index": id_of("<image>"),
        "image_seq_length": 16,
        "text_config": {"model_type": "llama", **_TEXT},
        "vision_config": {"model_type": "clip_vision_model", "projection_dim": 32, **_VISION},
    }


_PINPOINTS = [[56, 112], [112, 56], [112, 112], [168, 56], [56, 168]]


def _llava_next(id_of: IdOf) -> dict[str, Any]:
    return {
        **_llava(id_of),
        "image_grid_pinpoints": _PINPOINTS,
        "text_config": {"model_type": "mistral", **_TEXT, "sliding_window": None},
    }


def _llava_onevision(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_index": id_of("<image>"),
        "video_token_index": id_of("<video>"),
        "image_grid_pinpoints": _PINPOINTS,
        "vision_aspect_ratio": "anyres_max_9",
        "text_config": {"model_type": "qwen2", **_TEXT, "tie_word_embeddings": True},
        "tie_word_embeddings": True,
        "vision_config": {
            "model_type": "siglip_vision_model",
            **_VISION,
            "vision_use_head": False,
        },
    }


def _qwen(vision: Mapping[str, Any], text: Mapping[str, Any], section: list[int]) -> Any:
    """Return the maker of a config of Qwen-VL. `section` divides half of a head's numbers in three."""

    def config(id_of: IdOf) -> dict[str, Any]:
        return {
            "image_token_id": id_of("<|image_pad|>"),
            "video_token_id": id_of("<|video_pad|>"),
            "vision_start_token_id": id_of("<|vision_start|>"),
            "vision_end_token_id": id_of("<|vision_end|>"),
            "text_config": {
                **text,
                "rope_parameters": {
                    "rope_type": "default",
                    "mrope_section": section,
                    "rope_theta": 1000000.0,
                },
            },
            "vision_config": {**_QWEN_VISION, **vision},
        }

    return config


def _internvl(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_id": id_of("<IMG_CONTEXT>"),
        "image_seq_length": 4,
        "downsample_ratio": 0.5,
        "text_config": {"model_type": "qwen2", **_TEXT},
        "tie_word_embeddings": False,
        "vision_config": {**_VISION, "image_size": [56, 56], "patch_size": [14, 14]},
    }


def _ovis2(id_of: IdOf) -> dict[str, Any]:
    names = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
    return {
        "image_token_id": id_of("<IMG_ATOM>"),
        "visual_indicator_token_ids": [id_of(name) for name in names],
        "hidden_size": HIDDEN,
        "text_config": {"model_type": "qwen2", **_TEXT, "tie_word_embeddings": True},
        "vision_config": {
            **_VISION,
            "vocab_size": 64,
            "hidden_stride": 2,
            "num_visual_indicator_tokens": 5,
        },
    }


def _idefics(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_id": id_of("<image>"),
        "scale_factor": 2,
        "text_config": {"model_type": "llama", **_TEXT},
        "vision_config": {**_VISION, "image_size": 64, "patch_size": 16},
    }


def _gemma3(id_of: IdOf) -> dict[str, Any]:
    return {
        "boi_token_index": id_of("<start_of_image>"),
        "eoi_token_index": id_of("<end_of_image>"),
        "image_token_index": id_of("<image_soft_token>"),
        "mm_tokens_per_image": 4,
        "text_config": {
            "model_type": "gemma3_text",
            **_WIDE_HEADS,
            "query_pre_attn_scalar": 16,
            "sliding_window": 32,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            **_VISION,
            "vision_use_head": False,
        },
    }


def _paligemma(text: Mapping[str, Any]) -> Callable[[IdOf], dict[str, Any]]:
    def config(id_of: IdOf) -> dict[str, Any]:
        return {
            "image_token_index": id_of("<image>"),
            "projection_dim": HIDDEN,
            "hidden_size": HIDDEN,
            "text_config": {**_WIDE_HEADS, **text, "num_image_tokens": 16},
            "vision_config": {
                "model_type": "siglip_vision_model",
                **_VISION,
                "vision_use_head": False,
            },
        }

    return config


def _pixtral(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_index": id_of("[IMG]"),
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
        "image_seq_length": 1,
        "text_config": {"model_type": "mistral", **_WIDE_HEADS, "sliding_window": None},
        "vision_config": {
            "model_type": "pixtral",
            **_VISION,
            "image_size": 64,
            "patch_size": 16,
            "head_dim": 16,
        },
    }


def _mistral3(id_of: IdOf) -> dict[str, Any]:
    pixtral = _pixtral(id_of)
    return {
        "image_token_index": id_of("[IMG]"),
        "vision_feature_layer": -1,
        "spatial_merge_size": 2,
        "tie_word_embeddings": False,
        "text_config": pixtral["text_config"],
        "vision_config": {**pixtral["vision_config"], "image_size": 112, "patch_size": 14},
    }


def _llama4(id_of: IdOf) -> dict[str, Any]:
    return {
        "boi_token_index": id_of("<|image_start|>"),
        "eoi_token_index": id_of("<|image_end|>"),
        "image_token_index": id_of("<|patch|>"),
        "text_config": {
            **_WIDE_HEADS,
            "intermediate_size_mlp": 96,
            "num_local_experts": 2,
            "num_experts_per_tok": 1,
            "attention_chunk_size": 64,
        },
        "vision_config": {
            **_VISION,
            "intermediate_size": 128,
            "vision_output_dim": 64,
            "projector_input_dim": 64,
            "projector_output_dim": 64,
        },
    }


def _mllama(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_index": id_of("<|image|>"),
        "text_config": {
            **_TEXT,
            "num_hidden_layers": 3,
            "cross_attention_layers": [1],
            "rope_parameters": {
                "rope_type": "llama3",
                "factor": 8.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 512,
                "rope_theta": 500000.0,
            },
        },
        "vision_config": {
            "hidden_size": 32,
            "intermediate_size": 48,
            "num_hidden_layers": 2,
            "num_global_layers": 1,
            "attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
            "max_num_tiles": 4,
            "intermediate_layers_indices": [0, 1],
            "vision_output_dim": 96,
            "supported_aspect_ratios": [
                [1, 1], [1, 2], [1, 3], [1, 4], [2, 1], [2, 2], [3, 1], [4, 1],
            ],
        },
    }  # fmt: skip


def _glm4v(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_id": id_of("<|image|>"),
        "video_token_id": id_of("<|video|>"),
        "image_start_token_id": id_of("<|begin_of_image|>"),
        "image_end_token_id": id_of("<|end_of_image|>"),
        "video_start_token_id": id_of("<|begin_of_video|>"),
        "video_end_token_id": id_of("<|end_of_video|>"),
        "text_config": {
            **_TEXT,
            "rope_parameters": {
                "rope_type": "default",
                "mrope_section": [1, 1, 2],
                "partial_rotary_factor": 0.5,
                "rope_theta": 10000.0,
            },
        },
        "vision_config": {
            **_QWEN_VISION,
            "out_hidden_size": HIDDEN,
            "intermediate_size": 96,
            "image_size": 56,
        },
    }


def _aya_vision(id_of: IdOf) -> dict[str, Any]:
    return {
        "image_token_index": id_of("<|IMG_PATCH|>"),
        "downsample_factor": 2,
        "text_config": {
            "model_type": "cohere2",
            **_WIDE_HEADS,
            "sliding_window": 32,
            "layer_types": ["sliding_attention", "full_attention"],
        },
        "vision_config": {
            "model_type": "siglip_vision_model",
            **_VISION,
            "vision_use_head": False,
        },
    }


_SQUARE = {"height": 56, "width": 56}
_CROP = {"size": {"shortest_edge": 56}, "crop_size": _SQUARE}
_QWEN_IMAGES = {"size": {"shortest_edge": 56 * 56, "longest_edge": 112 * 112}}
_LLAVA_PROCESSOR = {
    "image_token": "<image>",
    "num_additional_image_tokens": 1,
    "patch_size": 14,
    "vision_feature_select_strategy": "default",
}
_PIXTRAL_TOKENS = {
    "image_token": "[IMG]",
    "image_break_token": "[IMG_BREAK]",
    "image_end_token": "[IMG_END]",
}
_MOE = {
    "moe_intermediate_size": 48,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "tie_word_embeddings": False,
}
_QWEN3_VISION = {
    "patch_size": 16,
    "out_hidden_size": HIDDEN,
    "num_position_embeddings": 16,
    "deepstack_visual_indexes": [0],
}
_QWEN3_IMAGES = {
    "patch_size": 16,
    "size": {"shortest_edge": 64 * 64, "longest_edge": 128 * 128},
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}
_PALIGEMMA_IMAGES = {
    "size": _SQUARE,
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
    "resample": 3,
    "image_seq_length": 16,
}
_IDEFICS_IMAGES = {"size": {"longest_edge": 128}, "max_image_size": {"longest_edge": 64}}

LAYOUTS: Mapping[str, FamilyLayout] = {
    "llava": FamilyLayout(
        "llava", family_tokens.LLAMA2, _llava, "CLIPImageProcessor", _CROP, "LlavaProcessor", ("</s>",),
        _LLAVA_PROCESSOR,
    ),
    "llava_next": FamilyLayout(
        "llava_next", family_tokens.LLAMA2, _llava_next, "LlavaNextImageProcessor",
        {**_CROP, "image_grid_pinpoints": _PINPOINTS}, "LlavaNextProcessor", ("</s>",),
        _LLAVA_PROCESSOR,
    ),
    "llava_onevision": FamilyLayout(
        "llava_onevision", family_tokens.ONEVISION, _llava_onevision, "LlavaOnevisionImageProcessor",
        {"size": _SQUARE, "image_grid_pinpoints": _PINPOINTS}, "LlavaOnevisionProcessor",
        ("<|im_end|>",),
        {
            "num_image_tokens": 16, "vision_feature_select_strategy": "full",
            "vision_aspect_ratio": "anyres_max_9",
        },
        "LlavaOnevisionVideoProcessor",
    ),
    "qwen2_vl": FamilyLayout(
        "qwen2_vl", family_tokens.QWEN,
        _qwen({"embed_dim": 32, "hidden_size": HIDDEN, "mlp_ratio": 2}, _TEXT, [2, 3, 3]),
        "Qwen2VLImageProcessor", _QWEN_IMAGES, "Qwen2VLProcessor", ("<|im_end|>", "<|endoftext|>"),
        video_processor="Qwen2VLVideoProcessor",
    ),
    "qwen2_5_vl": FamilyLayout(
        "qwen2_5_vl", family_tokens.QWEN,
        _qwen({"out_hidden_size": HIDDEN, "fullatt_block_indexes": [1]}, _TEXT, [2, 3, 3]),
        "Qwen2VLImageProcessor", _QWEN_IMAGES, "Qwen2_5_VLProcessor",
        ("<|im_end|>", "<|endoftext|>"), video_processor="Qwen2VLVideoProcessor",
    ),
    "qwen3_vl": FamilyLayout(
        "qwen3_vl", family_tokens.QWEN,
        _qwen(_QWEN3_VISION, _WIDE_HEADS, [4, 2, 2]), "Qwen2VLImageProcessorFast", _QWEN3_IMAGES,
        "Qwen3VLProcessor", ("<|im_end|>", "<|endoftext|>"),
        video_processor="Qwen3VLVideoProcessor",
    ),
    "qwen3_vl_moe": FamilyLayout(
        "qwen3_vl_moe", family_tokens.QWEN,
        _qwen(_QWEN3_VISION, {**_WIDE_HEADS, **_MOE}, [4, 2, 2]), "Qwen2VLImageProcessorFast",
        _QWEN3_IMAGES, "Qwen3VLProcessor", ("<|im_end|>", "<|endoftext|>"),
        video_processor="Qwen3VLVideoProcessor",
    ),
    "internvl": FamilyLayout(
        "internvl", family_tokens.INTERNVL, _internvl, "GotOcr2ImageProcessorFast",
        {"size": _SQUARE, "crop_to_patches": True, "min_patches": 1, "max_patches": 4},
        "InternVLProcessor", ("<|im_end|>",), {"image_seq_length": 4},
        "InternVLVideoProcessor",
    ),
    "ovis2": FamilyLayout(
        "ovis2", family_tokens.OVIS, _ovis2, "Ovis2ImageProcessor",
        {"size": _SQUARE, "crop_to_patches": True, "max_patches": 4}, "Ovis2Processor",
        ("<|im_end|>",), {"image_seq_length": 4},
    ),
    "smolvlm": FamilyLayout(
        "smolvlm", family_tokens.SMOLVLM, _idefics, "SmolVLMImageProcessor", _IDEFICS_IMAGES,
        "SmolVLMProcessor", ("<end_of_utterance>",), {"image_seq_len": 4}, "SmolVLMVideoProcessor",
    ),
    "idefics3": FamilyLayout(
        "idefics3", family_tokens.IDEFICS3, _idefics, "Idefics3ImageProcessor", _IDEFICS_IMAGES,
        "Idefics3Processor", ("<end_of_utterance>", "<|end_of_text|>"), {"image_seq_len": 4},
    ),
    "gemma3": FamilyLayout(
        "gemma3", family_tokens.GEMMA3, _gemma3, "Gemma3ImageProcessor", {"size": _SQUARE},
        "Gemma3Processor", ("<eos>", "<end_of_turn>"), {"image_seq_length": 4},
    ),
    "pixtral": FamilyLayout(
        "llava", family_tokens.TEKKEN, _pixtral, "PixtralImageProcessor",
        {"size": {"longest_edge": 64}, "patch_size": {"height": 16, "width": 16}},
        "PixtralProcessor", ("</s>",), {"patch_size": 16, **_PIXTRAL_TOKENS},
    ),
    "mistral3": FamilyLayout(
        "mistral3", family_tokens.TEKKEN, _mistral3, "PixtralImageProcessorFast",
        {"size": {"longest_edge": 112}, "patch_size": {"height": 14, "width": 14}},
        "PixtralProcessor", ("</s>",),
        {"patch_size": 14, "spatial_merge_size": 2, **_PIXTRAL_TOKENS},
    ),
    "llama4": FamilyLayout(
        "llama4", family_tokens.LLAMA4, _llama4, "Llama4ImageProcessorFast",
        {"size": _SQUARE, "max_patches": 4}, "Llama4Processor", ("<|end_of_text|>", "<|eot|>"),
        {"patch_size": 14, "pixel_shuffle_ratio": 0.5},
    ),
    "mllama": FamilyLayout(
        "mllama", family_tokens.MLLAMA, _mllama, "MllamaImageProcessor",
        {"size": _SQUARE, "max_image_tiles": 4}, "MllamaProcessor",
        ("<|end_of_text|>", "<|eom_id|>", "<|eot_id|>"),
    ),
    "glm4v": FamilyLayout(
        "glm4v", family_tokens.GLM, _glm4v, "Glm4vImageProcessor", _QWEN_IMAGES, "Glm4vProcessor",
        ("<|endoftext|>", "<|user|>"), video_processor="Glm4vVideoProcessor",
    ),
    "glm46v": FamilyLayout(
        "glm46v", family_tokens.GLM, _glm4v, "Glm46VImageProcessor", _QWEN_IMAGES, "Glm46VProcessor",
        ("<|endoftext|>", "<|user|>"), video_processor="Glm46VVideoProcessor",
    ),
    "paligemma": FamilyLayout(
        "paligemma", family_tokens.PALIGEMMA, _paligemma({"model_type": "gemma"}),
        "SiglipImageProcessor", _PALIGEMMA_IMAGES, "PaliGemmaProcessor", ("<eos>",),
    ),
    "paligemma2": FamilyLayout(
        "paligemma", family_tokens.PALIGEMMA,
        _paligemma({"model_type": "gemma2", "query_pre_attn_scalar": 16, "sliding_window": 4096}),
        "SiglipImageProcessor", _PALIGEMMA_IMAGES, "PaliGemmaProcessor", ("<eos>",),
    ),
    "aya_vision": FamilyLayout(
        "aya_vision", family_tokens.AYA, _aya_vision, "GotOcr2ImageProcessor",
        {"size": _SQUARE, "crop_to_patches": True, "max_patches": 4}, "AyaVisionProcessor",
        ("<|END_OF_TURN_TOKEN|>",), {"patch_size": 28, "img_size": 56, "downsample_factor": 1},
    ),
}  # fmt: skip
FAMILIES = tuple(LAYOUTS)
