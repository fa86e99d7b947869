"""How the local engine runs the model families beside ViP-LLaVA. Imports no torch.

A new family is a row here, one in `engine/hub/families.py`, which says what files are accepted, and a
maker of its checkpoints for the tests. `docs/architecture.md` says how to choose the values.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vipllava_cli.engine.hub.families import FAMILIES, VIPLLAVA
from vipllava_cli.errors import ModelError

BOTH_WAYS = "the tokens of its prompt see each other in both directions"

# PaliGemma has no chat template and answers one question at a time.
_QUESTION_ALONE = """\
<image>{{ bos_token }}
{%- for message in messages if message.role == 'user' -%}
{%- if loop.last -%}{%- for part in message.content if part.type == 'text' -%}
{{ part.text }}
{%- endfor -%}{%- endif -%}
{%- endfor -%}
{{ '\\n' }}"""


@dataclass(frozen=True)
class RunFamily:
    """How checkpoints of one `model_type` are run.

    `processor` is a class of transformers. A row with a `tower` is for the checkpoints whose vision
    tower is of that type. A `version` is a name that is not used for other models: a server may call
    any LLaVA `llava`. `plain_reason` says why each question reads its image again; empty if the KV
    cache of an image serves all questions about it. If the family `pads_image`, its images are padded
    to a square, as in its training; all others get the image as it is. `token_types` is the model's
    input that says which tokens are those of an image. With `has_grid_positions`, positions count the
    rows and columns of an image, and the text behind it goes on from there. `template` is the chat
    template of checkpoints that have none. A `fixed_tower` runs only where its weights are, because
    its code reads their device (transformers 5.23.0).
    """

    model_type: str
    processor: str
    tower: str = ""
    version: str = ""
    plain_reason: str = ""
    pads_image: bool = False
    token_types: str = ""
    has_grid_positions: bool = False
    template: str = ""
    fixed_tower: bool = False

    @property
    def name(self) -> str:
        """What decides how coordinates are written: the version, or the type of the tower or model."""
        return self.version or self.tower or self.model_type


_MM_TYPES, _TYPES = "mm_token_type_ids", "token_type_ids"

# The row of a tower comes before the row of all others.
RUN_FAMILIES: tuple[RunFamily, ...] = (
    RunFamily("llava", "PixtralProcessor", tower="pixtral"),
    # LLaVA-1.5 trained on padded images. Its published processor crops the centre instead.
    RunFamily("llava", "LlavaProcessor", version="llava-1.5", pads_image=True),
    RunFamily("llava_next", "LlavaNextProcessor"),
    RunFamily("llava_onevision", "LlavaOnevisionProcessor"),
    RunFamily("qwen2_vl", "Qwen2VLProcessor", has_grid_positions=True, token_types=_MM_TYPES),
    RunFamily("qwen2_5_vl", "Qwen2_5_VLProcessor", has_grid_positions=True, token_types=_MM_TYPES),
    RunFamily("qwen3_vl", "Qwen3VLProcessor", has_grid_positions=True, token_types=_MM_TYPES),
    RunFamily(
        "glm4v",
        "Glm4vProcessor",
        has_grid_positions=True,
        token_types=_MM_TYPES,
        fixed_tower=True,
    ),
    RunFamily("qwen3_vl_moe", "Qwen3VLProcessor", has_grid_positions=True, token_types=_MM_TYPES),
    RunFamily("internvl", "InternVLProcessor"),
    RunFamily("smolvlm", "SmolVLMProcessor", fixed_tower=True),
    RunFamily("idefics3", "Idefics3Processor", fixed_tower=True),
    RunFamily("gemma3", "Gemma3Processor", token_types=_TYPES),
    RunFamily("mistral3", "PixtralProcessor"),
    RunFamily("llama4", "Llama4Processor"),
    RunFamily("mllama", "MllamaProcessor", fixed_tower=True),
    RunFamily(
        "glm46v",
        "Glm46VProcessor",
        has_grid_positions=True,
        token_types=_MM_TYPES,
        fixed_tower=True,
    ),
    RunFamily(
        "paligemma",
        "PaliGemmaProcessor",
        plain_reason=BOTH_WAYS,
        token_types=_TYPES,
        template=_QUESTION_ALONE,
    ),
    RunFamily("aya_vision", "AyaVisionProcessor"),
    RunFamily("ovis2", "Ovis2Processor"),
)


def find_family(config: Mapping[str, Any], name: str) -> RunFamily | None:
    """Return how the model of a config.json is run; None for ViP-LLaVA. Raises ModelError."""
    model_type = config.get("model_type")
    if model_type == VIPLLAVA:
        return None
    vision = config.get("vision_config")
    tower = vision.get("model_type") if isinstance(vision, Mapping) else None
    for family in RUN_FAMILIES:
        if model_type == family.model_type and family.tower in ("", tower):
            return family
    supported = (FAMILIES[each] for each in (VIPLLAVA, *(row.model_type for row in RUN_FAMILIES)))
    names = ", ".join(dict.fromkeys(family.name for family in supported))
    raise ModelError(f"{name} is a {model_type} model, which is not supported: use one of {names}")
