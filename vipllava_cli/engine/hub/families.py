"""The model families whose checkpoints are accepted: one row for each `model_type` of a config.json.

Data only. The checks of a checkpoint's files and the local engines read it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

VIPLLAVA = "vipllava"

_LLAVA_TEXTS = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "granite", "phi3")
_CLIP, _SIGLIP, _PIXTRAL = "clip_vision_model", "siglip_vision_model", "pixtral"


@dataclass(frozen=True)
class ModelFamily:
    """A family of checkpoints that transformers loads without code of the checkpoint.

    `text_types` and `vision_types` are the values of `model_type` in the parts of config.json; a part
    without one has the first. `image_processors` are class names of transformers without `Fast` and
    `Pil`. `example` is a name on the hub.
    """

    model_type: str
    name: str
    text_types: tuple[str, ...]
    vision_types: tuple[str, ...]
    image_processors: tuple[str, ...]
    example: str


_ROWS = (
    ModelFamily(
        VIPLLAVA,
        "ViP-LLaVA",
        ("llama", "mistral"),
        (_CLIP,),
        ("CLIPImageProcessor", "LlavaImageProcessor"),
        "llava-hf/vip-llava-7b-hf",
    ),
    ModelFamily(
        "llava",
        "LLaVA-1.5 (Pixtral)",
        _LLAVA_TEXTS,
        (_CLIP, _SIGLIP, _PIXTRAL),
        (
            "CLIPImageProcessor",
            "LlavaImageProcessor",
            "PixtralImageProcessor",
            "SiglipImageProcessor",
        ),
        "llava-hf/llava-1.5-7b-hf",
    ),
    ModelFamily(
        "llava_next",
        "LLaVA-NeXT",
        _LLAVA_TEXTS,
        (_CLIP, _SIGLIP),
        ("LlavaNextImageProcessor",),
        "llava-hf/llava-v1.6-mistral-7b-hf",
    ),
    ModelFamily(
        "llava_onevision",
        "LLaVA-OneVision",
        ("qwen2", "qwen3", "llama"),
        (_SIGLIP, _CLIP),
        ("LlavaOnevisionImageProcessor",),
        "llava-hf/llava-onevision-qwen2-0.5b-ov-hf",
    ),
    ModelFamily(
        "qwen2_vl",
        "Qwen2-VL",
        ("qwen2_vl_text", "qwen2_vl"),
        ("qwen2_vl_vision", "qwen2_vl"),
        ("Qwen2VLImageProcessor",),
        "Qwen/Qwen2-VL-2B-Instruct",
    ),
    ModelFamily(
        "qwen2_5_vl",
        "Qwen2.5-VL",
        ("qwen2_5_vl_text", "qwen2_5_vl"),
        ("qwen2_5_vl_vision", "qwen2_5_vl"),
        ("Qwen2VLImageProcessor",),
        "Qwen/Qwen2.5-VL-3B-Instruct",
    ),
    ModelFamily(
        "qwen3_vl",
        "Qwen3-VL",
        ("qwen3_vl_text",),
        ("qwen3_vl_vision", "qwen3_vl"),
        ("Qwen2VLImageProcessor",),
        "Qwen/Qwen3-VL-2B-Instruct",
    ),
    ModelFamily(
        "qwen3_vl_moe",
        "Qwen3-VL MoE",
        ("qwen3_vl_moe_text",),
        ("qwen3_vl_moe_vision", "qwen3_vl_moe", "qwen3_vl"),
        ("Qwen2VLImageProcessor",),
        "Qwen/Qwen3-VL-30B-A3B-Instruct",
    ),
    ModelFamily(
        "internvl",
        "InternVL",
        ("qwen2", "qwen3", "llama"),
        ("internvl_vision",),
        ("GotOcr2ImageProcessor",),
        "OpenGVLab/InternVL3-1B-hf",
    ),
    ModelFamily(
        "smolvlm",
        "SmolVLM",
        ("llama", "mistral", "qwen2", "qwen3"),
        ("smolvlm_vision", "smolvlm"),
        ("SmolVLMImageProcessor", "Idefics3ImageProcessor"),
        "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
    ),
    ModelFamily(
        "idefics3",
        "Idefics3",
        ("llama", "mistral", "qwen2", "qwen3"),
        ("idefics3_vision", "idefics3"),
        ("Idefics3ImageProcessor",),
        "HuggingFaceTB/SmolVLM-Instruct",
    ),
    ModelFamily(
        "gemma3",
        "Gemma 3",
        ("gemma3_text",),
        (_SIGLIP,),
        ("Gemma3ImageProcessor",),
        "google/gemma-3-4b-it",
    ),
    ModelFamily(
        "mistral3",
        "Mistral 3",
        ("mistral", "ministral3", "llama"),
        (_PIXTRAL,),
        ("PixtralImageProcessor",),
        "mistralai/Mistral-Small-3.1-24B-Instruct-2503",
    ),
    ModelFamily(
        "llama4",
        "Llama 4",
        ("llama4_text",),
        ("llama4_vision_model",),
        ("Llama4ImageProcessor",),
        "meta-llama/Llama-4-Scout-17B-16E-Instruct",
    ),
    ModelFamily(
        "mllama",
        "Llama 3.2 Vision",
        ("mllama_text_model",),
        ("mllama_vision_model",),
        ("MllamaImageProcessor",),
        "meta-llama/Llama-3.2-11B-Vision-Instruct",
    ),
    ModelFamily(
        "glm4v",
        "GLM-4.1V",
        ("glm4v_text",),
        ("glm4v_vision", "glm4v"),
        ("Glm4vImageProcessor",),
        "zai-org/GLM-4.1V-9B-Thinking",
    ),
    ModelFamily(
        "glm46v",
        "GLM-4.6V",
        ("glm4v_text",),
        ("glm4v_vision", "glm4v", "glm46v"),
        ("Glm46VImageProcessor", "Glm4vImageProcessor"),
        "zai-org/GLM-4.6V-Flash",
    ),
    ModelFamily(
        "aya_vision",
        "Aya Vision",
        ("cohere2",),
        (_SIGLIP,),
        ("GotOcr2ImageProcessor",),
        "CohereLabs/aya-vision-8b",
    ),
    ModelFamily(
        "paligemma",
        "PaliGemma",
        ("gemma", "gemma2"),
        (_SIGLIP,),
        ("SiglipImageProcessor",),
        "google/paligemma2-3b-mix-224",
    ),
    ModelFamily(
        "ovis2",
        "Ovis2",
        ("qwen2", "qwen3", "llama"),
        ("ovis2_vision", "ovis2"),
        ("Ovis2ImageProcessor",),
        "thisisiron/Ovis2-1B-hf",
    ),
)

FAMILIES: Mapping[str, ModelFamily] = {row.model_type: row for row in _ROWS}


def family_names() -> str:
    """List the supported families, for a message."""
    names = [row.name for row in _ROWS]
    return f"{', '.join(names[:-1])} or {names[-1]}"
