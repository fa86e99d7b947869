"""How each model family writes the place of a region in text. Data only, with the source of each row.

Coordinates are of the image that the model receives, so of the padded one if it was padded.
"""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from vipllava_cli.images.resized import SizeLimits
from vipllava_cli.marks.reference_style import ReferenceStyle


class Unit(StrEnum):
    """What the numbers count."""

    THOUSANDTHS = "0-1000"  # of the width and the height
    FRACTIONS = "0-1"
    PERCENT = "0-100"
    LOC_BINS = "0-1023"
    RESIZED_PIXELS = "pixels of the resized image"  # sides are multiples of `patch`
    SQUARE_FRACTIONS = "0-1 of the image padded to a square"


class Order(StrEnum):
    """In which order a box lists its edges."""

    XYXY = "x1,y1,x2,y2"
    YXYX = "y1,x1,y2,x2"


class Notation(StrEnum):
    """How a family writes a region, for prompts and for answers."""

    BBOX_2D = '{"bbox_2d": [x1, y1, x2, y2]}'
    BOX_2D = '{"box_2d": [y1, x1, y2, x2]}'
    BOX_PARENTHESES = "<box>(x1,y1),(x2,y2)</box>"
    BOX_LIST = "<box>[[x1, y1, x2, y2]]</box>"
    BOX_SPACES = "<box>x1 y1 x2 y2</box>"
    BEGIN_OF_BOX = "<|begin_of_box|>[[x1,y1,x2,y2]]<|end_of_box|>"
    LOC_TOKENS = "<locNNNN> four times"
    BRACKETS = "[x1, y1, x2, y2]"
    POINT_TAG = '<point x="…" y="…">'


@dataclass(frozen=True)
class RegionConvention:
    """The convention of one model family.

    `name` is a pattern in the name of a model on a server, `model_types` are the values of `model_type`
    in a config.json. RESIZED_PIXELS models resize to sides in multiples of `patch` pixels, with
    `min_pixels` to `max_pixels` in all. `tags` are written around a box in place
    of `<box>` and `</box>`. `style` is how questions refer to a mark by default.
    """

    family: str
    unit: Unit
    notation: Notation
    name: re.Pattern[str]
    model_types: Sequence[str]
    source: str
    order: Order = Order.XYXY
    patch: int = 1
    min_pixels: int = 1
    max_pixels: int = sys.maxsize
    tags: tuple[str, str] | None = None
    style: ReferenceStyle = ReferenceStyle.drawn

    @property
    def size_limits(self) -> SizeLimits:
        """The sizes that a RESIZED_PIXELS model reads as they are."""
        return SizeLimits(self.patch, self.min_pixels, self.max_pixels)


def _names(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![a-z]){pattern}", re.IGNORECASE)


# The first row that matches a model counts: a later version of a family comes before an earlier one.
CONVENTIONS: Sequence[RegionConvention] = (
    RegionConvention(
        "Qwen3-VL",
        Unit.THOUSANDTHS,
        Notation.BBOX_2D,
        _names(r"qwen-?3(\.\d)?[-_.]?(vl|omni)|qwen-?3\.[5-9]"),
        ("qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe", "qwen3_omni_moe"),
        "QwenLM/Qwen3-VL, issues 1485 and 1741, and its 2D grounding cookbook; in a question: issue 1927",
    ),
    RegionConvention(
        "Qwen2.5-VL",
        Unit.RESIZED_PIXELS,
        Notation.BBOX_2D,
        _names(r"qwen-?2\.5[-_.]?vl|qwen-?25[-_.]?vl"),
        ("qwen2_5_vl",),
        "QwenLM/Qwen3-VL (the former Qwen2.5-VL repository), issues 676, 721 and 1210; in a question:"
        " issues 782 and 1126, also without the name bbox_2d; limits:"
        " preprocessor_config.json of Qwen/Qwen2.5-VL-7B-Instruct",
        patch=28,
        min_pixels=56 * 56,
        max_pixels=28 * 28 * 16384,
    ),
    RegionConvention(
        "Qwen2-VL",
        Unit.THOUSANDTHS,
        Notation.BOX_PARENTHESES,
        _names(r"qwen-?2[-_.]?vl"),
        ("qwen2_vl",),
        "QwenLM/Qwen3-VL, issue 663; in a question: issue 411; special tokens: tokenizer_config.json of"
        " Qwen/Qwen2-VL-7B-Instruct",
        tags=("<|box_start|>", "<|box_end|>"),
    ),
    RegionConvention(
        "Qwen-VL",
        Unit.THOUSANDTHS,
        Notation.BOX_PARENTHESES,
        # The hosted names qwen-vl-max and qwen-vl-plus mean another version every few months.
        _names(r"qwen[-_.]?vl(?![-_.]?(max|plus))"),
        (),
        "Qwen-VL, arXiv 2308.12966, section 3, and QwenLM/Qwen3-VL, issue 663",
    ),
    RegionConvention(
        "InternVL",
        Unit.THOUSANDTHS,
        Notation.BOX_LIST,
        _names(r"intern-?vl"),
        ("internvl", "internvl_chat"),
        # Issues 227 and 266 advise to draw boxes for questions about regions.
        "OpenGVLab/InternVL, issues 227, 844 and 1009; in a question: issue 915; documentation, chat data"
        " format: grounding",
        style=ReferenceStyle.drawn,
    ),
    RegionConvention(
        "MiniCPM-V",
        Unit.THOUSANDTHS,
        Notation.BOX_SPACES,
        _names(r"minicpm-?[vo]"),
        ("minicpmv", "minicpmv4_6"),
        "OpenBMB/MiniCPM-V, issues 772 and 982; points: issue 185",
    ),
    RegionConvention(
        "GLM-V",
        Unit.THOUSANDTHS,
        Notation.BEGIN_OF_BOX,
        _names(r"glm-?4\.[1-9]v|glm-?4[56]v|glm-?[5-9](\.\d)?v"),
        ("glm4v", "glm4v_moe", "glm46v"),
        "zai-org/GLM-V, issues 114, 118 and 161, and the README of zai-org/GLM-4.5V",
    ),
    RegionConvention(
        "Kimi-VL",
        Unit.FRACTIONS,
        Notation.BBOX_2D,
        _names(r"kimi-?vl"),
        ("kimi_vl",),
        "MoonshotAI/Kimi-VL, issues 52 and 56",
    ),
    RegionConvention(
        "Gemini",
        Unit.THOUSANDTHS,
        Notation.BOX_2D,
        _names(r"gemini"),
        (),
        "Gemini API documentation, image understanding: object detection; points: Gemini cookbook,"
        " spatial understanding",
        order=Order.YXYX,
    ),
    RegionConvention(
        "PaliGemma",
        Unit.LOC_BINS,
        Notation.LOC_TOKENS,
        _names(r"paligemma"),
        ("paligemma", "paligemma2"),
        "PaliGemma, arXiv 2407.07726, section 3: 1024 bins",
        order=Order.YXYX,
    ),
    RegionConvention(
        "Molmo",
        Unit.PERCENT,
        Notation.POINT_TAG,
        _names(r"molmo"),
        ("molmo",),
        "Molmo and PixMo, arXiv 2409.17146, and discussion 1 of allenai/Molmo-7B-O-0924: 0 to 100",
    ),
    RegionConvention(
        "LLaVA-1.5",
        Unit.SQUARE_FRACTIONS,
        Notation.BRACKETS,
        # LLaVA-NeXT (1.6) and LLaVA-OneVision document none: haotian-liu/LLaVA, issue 1158 has no answer,
        # and the pages of LLaVA-VL/LLaVA-NeXT name no coordinates. Ollama's name `llava` is 1.6.
        _names(r"vip-?llava|llava[-_.:]?(\d+b-)?v?1[._]5"),
        ("vipllava",),
        "LLaVA's training data llava_v1_5_mix665k (RefCOCO and Visual Genome rows); padding:"
        " haotian-liu/LLaVA, issues 606 and 822",
    ),
)


def find_convention(model: str, limits: SizeLimits | None = None) -> RegionConvention | None:
    """Find the convention of a model by its `model_type` or by its name on a server.

    `limits` are those of its own image processor, None if only its family is known. Returns None for a
    family that documents none.
    """
    convention = next((each for each in CONVENTIONS if model in each.model_types), None)
    convention = convention or next((each for each in CONVENTIONS if each.name.search(model)), None)
    if convention is None or limits is None or convention.unit is not Unit.RESIZED_PIXELS:
        return convention
    return replace(
        convention,
        patch=limits.multiple,
        min_pixels=limits.min_pixels,
        max_pixels=limits.max_pixels,
    )
