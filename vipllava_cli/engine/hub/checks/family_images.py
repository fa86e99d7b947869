"""How the processor of a model family prepares images: kinds, ranges, and agreement with config.json.

One table serves all families. Every number that decides how many pixels or tokens an image becomes has a
bound, and so have their products.
"""

from collections.abc import Mapping
from math import ceil
from typing import Any

from vipllava_cli.engine.hub.checks.family_fields import PINPOINTS
from vipllava_cli.engine.hub.checks.fields import (
    FLAG,
    Rule,
    Rules,
    check_fields,
    number,
    one_of,
    optional,
    text,
    whole,
)
from vipllava_cli.engine.hub.checks.schema import IMAGE_RULES
from vipllava_cli.engine.hub.checks.tokenizer_files import TEMPLATE, TOKEN
from vipllava_cli.engine.hub.families import ModelFamily
from vipllava_cli.errors import ModelError, short_repr

_MAX_SIDE = 4096
_MAX_AREA = 1 << 25  # pixels
_MAX_TILES = 64
_MAX_TOKENS = 1 << 16  # of an image

_SIDE, _TILES, _COUNT = whole(1, _MAX_SIDE), whole(1, _MAX_TILES), whole(1, _MAX_TOKENS)
_PATCH = Rule(
    "a whole number from 1 to 512, or an object with height and width",
    lambda value: all(type(each) is int and 1 <= each <= 512 for each in _sides(value)),
)
_SIZES = ("size", "crop_size", "pad_size", "max_image_size")
_SIDE_FIELDS = ("shortest_edge", "longest_edge", "height", "width")
_AREA_FIELDS = ("shortest_edge", "longest_edge", "min_pixels", "max_pixels")
# These processors resize to an area, and every other one to a length.
_BY_AREA = ("Qwen2VLImageProcessor", "Glm46VImageProcessor", "Glm4vImageProcessor")
# The processors whose last size is the side of what the vision tower sees.
_BY_SIDE = (
    "CLIPImageProcessor",
    "Gemma3ImageProcessor",
    "GotOcr2ImageProcessor",
    "Llama4ImageProcessor",
    "LlavaImageProcessor",
    "LlavaNextImageProcessor",
    "LlavaOnevisionImageProcessor",
    "MllamaImageProcessor",
    "Ovis2ImageProcessor",
    "SiglipImageProcessor",
)

_RULES: Rules = {
    **{field: rule for field, rule in IMAGE_RULES.items() if not field.endswith("_type")},
    **dict.fromkeys(("do_center_crop", "do_resize", "do_rescale", "do_normalize"), optional(FLAG)),
    "crop_to_patches": optional(FLAG),
    "do_image_splitting": optional(FLAG),
    "do_pan_and_scan": optional(FLAG),
    "image_grid_pinpoints": PINPOINTS,
    "image_seq_length": optional(_COUNT),
    "max_image_tiles": _TILES,
    "max_patches": _TILES,
    "max_pixels": optional(whole(1, _MAX_AREA)),
    "merge_size": whole(1, 64),
    "min_patches": _TILES,
    "min_pixels": optional(whole(1, _MAX_AREA)),
    "pan_and_scan_max_num_crops": optional(_TILES),
    "pan_and_scan_min_crop_size": optional(_SIDE),
    "pan_and_scan_min_ratio_to_activate": optional(number(0, 1e6)),
    "patch_size": optional(_PATCH),
    "resize_to_max_canvas": optional(FLAG),
    "temporal_patch_size": whole(1, 16),
    "use_covering_area_grid": optional(FLAG),
}
PROCESSOR_RULES: Rules = {
    "chat_template": TEMPLATE,
    "processor_class": optional(text(64)),
    "downsample_factor": whole(1, 64),
    "image_seq_len": _COUNT,
    "image_seq_length": optional(_COUNT),
    "img_size": _SIDE,
    "num_additional_image_tokens": optional(whole(0, 1 << 10)),
    "num_image_tokens": optional(_COUNT),
    "patch_size": optional(_PATCH),
    "pixel_shuffle_ratio": number(1 / 64, 1),
    "spatial_merge_size": whole(1, 64),
    "vision_aspect_ratio": optional(text(32)),
    "vision_feature_select_strategy": optional(one_of(("default", "full"))),
    **dict.fromkeys(
        (
            "end_of_image_token",
            "end_of_img_token",
            "fake_image_token",
            "image_break_token",
            "image_end_token",
            "image_token",
            "img_line_break_token",
            "img_patch_token",
            "patch_token",
            "start_of_image_token",
            "start_of_img_token",
            "tile_global_token",
            "tile_token",
            "tile_x_separator_token",
            "tile_y_separator_token",
            "video_token",
        ),
        TOKEN,
    ),
}


def check_family_images(
    values: Mapping[str, Any], config: Mapping[str, Any], family: ModelFamily, where: str
) -> None:
    """Check the fields of an image processor for a model with this checked config. Raises ModelError."""
    check_fields(values, _RULES, where)
    kind = _kind(values, family, where)
    for field in _SIZES:
        if values.get(field) is not None:
            fields, largest = (
                (_AREA_FIELDS, _MAX_AREA) if kind in _BY_AREA else (_SIDE_FIELDS, _MAX_SIDE)
            )
            _check_size(values[field], fields, largest, where + field)
    _check_amounts(values, kind, where)
    _check_fit(values, config["vision_config"], kind, where)


def _kind(values: Mapping[str, Any], family: ModelFamily, where: str) -> str:
    """Return the class of an image processor, without the suffixes of its variants. Raises ModelError."""
    for field in ("image_processor_type", "feature_extractor_type"):
        found = values.get(field)
        if found is None:
            continue
        kind = found if isinstance(found, str) else ""
        kind = kind.replace("FeatureExtractor", "ImageProcessor")
        kind = kind.removesuffix("Fast").removesuffix("Pil")
        if kind not in family.image_processors:
            raise ModelError(
                f"{where}{field} is {short_repr(found)}: expected {' or '.join(family.image_processors)}"
            )
        return kind
    return family.image_processors[0]


def _check_size(value: Any, fields: tuple[str, ...], largest: int, where: str) -> None:
    """Raise ModelError for a size that is no number, pair or object of them."""
    if isinstance(value, dict):
        known = {field: each for field, each in value.items() if each is not None}
        is_right = bool(known) and all(
            field in fields and type(each) is int and 1 <= each <= largest
            for field, each in known.items()
        )
    else:
        is_right = all(type(each) is int and 1 <= each <= largest for each in _sides(value))
    if not is_right:
        raise ModelError(
            f"{where} is {short_repr(value)}: expected whole numbers from 1 to {largest} as"
            f" {', '.join(fields)}"
        )


def _sides(value: Any) -> list[Any]:
    """Return the numbers of a size: one, two, or an object of them."""
    if isinstance(value, dict):
        return [value.get("height"), value.get("width")]
    return value if isinstance(value, list) and len(value) == 2 else [value]


def _check_amounts(values: Mapping[str, Any], kind: str, where: str) -> None:
    """Raise ModelError if an image may become too many tokens or tiles."""
    patch, merge = _longest(values.get("patch_size")) or 14, values.get("merge_size") or 1
    size = values.get("size")
    longest = _longest(size)
    if kind in _BY_AREA:
        areas = [longest, values.get("max_pixels") or 0]
        tokens = max(areas) // (patch * merge) ** 2
    elif kind == "PixtralImageProcessor":
        tokens = (longest // patch) ** 2
    else:
        tokens = 0
    if tokens > _MAX_TOKENS:
        raise ModelError(
            f"{where}an image takes up to {tokens} tokens: expected at most {_MAX_TOKENS}"
        )
    tile = _longest(values.get("max_image_size"))
    tiles = ceil(longest / tile) ** 2 if tile else 0
    if tiles > _MAX_TILES:
        raise ModelError(
            f"{where}an image takes up to {tiles} tiles: expected at most {_MAX_TILES}"
        )


def _check_fit(values: Mapping[str, Any], vision: Mapping[str, Any], kind: str, where: str) -> None:
    """Raise ModelError if the processor makes images of another size than the vision tower's."""
    crops = values.get("do_center_crop") and values.get("crop_size") is not None
    last = "crop_size" if crops else "size"
    side, found = _longest(vision.get("image_size")), values.get(last)
    if kind in _BY_SIDE and side and found is not None and _longest(found) != side:
        raise ModelError(
            f"{where}{last} makes images of {_longest(found)} pixels: expected {side}, the image size in"
            " config.json"
        )
    if kind in (*_BY_AREA, "PixtralImageProcessor"):
        for field, other in (("patch_size", "patch_size"), ("merge_size", "spatial_merge_size")):
            size, expected = _longest(values.get(field)), _longest(vision.get(other))
            if size and expected and size != expected:
                raise ModelError(
                    f"{where}{field} is {size}, and config.json says {expected}: get the checkpoint again"
                )


def _longest(value: Any) -> int:
    """Return the largest number of a checked size, 0 without one."""
    numbers = value.values() if isinstance(value, dict) else _sides(value)
    return max((each for each in numbers if isinstance(each, int)), default=0)
