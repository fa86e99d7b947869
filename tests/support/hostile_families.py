"""Attacks by the files of checkpoints of other families. Each one changes a folder in place."""

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support import hostile_checkpoints as hostile
from tests.support.hostile_checkpoints import Attack, fields, header, text_config, vision_config

# Those of each kind: positions by tokens, tiles, tied embeddings, images of any size, two towers.
TARGETS = ("qwen2_5_vl", "internvl", "gemma3", "pixtral", "smolvlm")

# What has another form in other families, and has a twin below.
_OWN = (
    "config with NaN",
    "config with 1e999",
    "5,000 digits",
    "nested field",
    "num_key_value_heads 2",
    "max_position_embeddings 200",
    "vision image_size 4096",
    "template without its tokens",
)
_OF_WEIGHTS = (
    "overlapping weights",
    "weight out of the file",
    "missing weight",
    "renamed weight",
    "swapped weights",
    "weight of size zero",
    "weight of integers",
    "unknown number type",
    "shape is a text",
    "shape is huge",
    "entry is a number",
    "name twice",
)
_OF_IMAGES = (
    "crop of a million",
    "crop of zero",
    "crop of another side",
    "size of another side",
    "size is a text",
    "size without fields",
    "mean of two",
    "mean is a text",
    "deviation of zero",
    "factor is huge",
    "resample is unknown",
    "unknown image processor",
)
SHARED: Mapping[str, Attack] = {
    name: attack
    for name, attack in {**hostile.REFUSED, **hostile.KIND_ATTACKS}.items()
    if name not in (*_OWN, *_OF_WEIGHTS, *_OF_IMAGES)
}


def config(**changes: object) -> Attack:
    return fields("config.json", "", **changes)


def images(**changes: object) -> Attack:
    return fields("preprocessor_config.json", "", **changes)


def processor(**changes: object) -> Attack:
    return fields("processor_config.json", "", **changes)


def in_config(old: str, new: str) -> Attack:
    """Replace the value of the first field of a name in the text of config.json."""

    def change(folder: Path) -> None:
        text = (folder / "config.json").read_text()
        start = text.index(f'"{old}": ') + len(old) + 4
        end = min(text.index(letter, start) for letter in ",\n")
        (folder / "config.json").write_text(text[:start] + new + text[end:])

    return change


def weight(change: Callable[[dict[str, Any], str], object]) -> Attack:
    """Change the header at the embeddings, which every family has."""

    def at_embeddings(value: dict[str, Any]) -> None:
        change(value, next(name for name in value if name.endswith("embed_tokens.weight")))

    return header(at_embeddings)


def layers_gone(value: dict[str, Any]) -> None:
    """Rename the weights of the last layer of every part, so that config.json has one more."""
    for name in [each for each in value if ".1." in each]:
        value[name.replace(".1.", ".0.extra.")] = value.pop(name)


def many_layers(value: dict[str, Any]) -> None:
    """Name 600 layers, of which each has an empty share of the file's end."""
    end = max(each["data_offsets"][1] for name, each in value.items() if name != "__metadata__")
    norm = {"dtype": "F32", "shape": [1], "data_offsets": [end, end + 4]}
    for number in range(600):
        at = end + 4 * number
        value[f"model.layers.{number + 2}.x.weight"] = norm | {"data_offsets": [at, at + 4]}


def name_twice(folder: Path) -> None:
    """Give the header a name twice."""
    path = folder / hostile.WEIGHTS
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    text = data[8 : 8 + length].rstrip()
    first = next(name for name in json.loads(text) if name != "__metadata__")
    text = text[:-1] + b"," + json.dumps(first).encode() + b":{}}"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data[8 + length :])


HUGE = hostile.HUGE
FAMILY_ATTACKS: Mapping[str, Attack] = {
    # config.json
    "config with NaN": in_config("max_position_embeddings", "NaN"),
    "config with 1e999": in_config("hidden_size", "1e999"),
    "5,000 digits": in_config("hidden_size", "9" * 5000),
    "nested field": in_config("max_position_embeddings", hostile.nested(900)),
    "quantized": config(quantization_config={"quant_method": "awq"}),
    "quantized text model": text_config(quantization_config={"quant_method": "x" * 10_000}),
    "billion experts": text_config(num_local_experts=10**9),
    "thousand experts": text_config(num_local_experts=1000),
    "wide layers": text_config(intermediate_size=1 << 18),
    "wide vision layers": vision_config(intermediate_size=1 << 18),
    "many heads": text_config(num_attention_heads=512, head_dim=64),
    "head of a million": text_config(head_dim=10**6),
    "million layer types": text_config(layer_types=["full_attention"] * 100_000),
    "layer types of code": text_config(layer_types=["import os"] * 2),
    "too few layer types": text_config(layer_types=["full_attention"]),
    "window of zero": text_config(sliding_window=0),
    "nested rope": text_config(rope_parameters={"full_attention": {"rope_theta": -1}}),
    "long rope": text_config(rope_parameters={"long_factor": [1.0] * 10_000}),
    "mrope of a billion": text_config(rope_parameters={"mrope_section": [10**9] * 3}),
    "image token without embedding": config(image_token_id=4000, image_token_index=4000),
    "image token is a list": config(image_token_id=[1], image_token_index=[1]),
    "million pinpoints": config(image_grid_pinpoints=[[56, 56]] * 100_000),
    "pinpoint of a million": config(image_grid_pinpoints=[[10**6, 56]]),
    "pinpoint of one side": config(image_grid_pinpoints=[[56]]),
    "scale factor of zero": config(scale_factor=0),
    "downsample ratio of zero": config(downsample_ratio=0),
    "merge of zero": config(spatial_merge_size=0),
    "aspect ratio": config(vision_aspect_ratio="anyres_max_999999999"),
    "no text config": config(text_config=None, hidden_size="x"),
    "vision config is a text": config(vision_config="clip"),
    "vision image_size of one": vision_config(image_size=[1, 1], patch_size=[2, 2]),
    "code of the tokenizer": fields("tokenizer_config.json", auto_map={"AutoTokenizer": ["a.B", None]}),
    "code of the processor": processor(auto_map={"AutoProcessor": "a.B"}),
    "code of the images": images(auto_map={"AutoImageProcessor": "a.B"}),
    # images
    "size of a million": images(size={"height": 10**9, "width": 10**9}),
    "size of zero": images(size={"shortest_edge": 0}),
    "size is a text": images(size="large"),
    "size without fields": images(size={}),
    "size of three": images(size=[1, 2, 3]),
    "crop of a million": images(do_center_crop=True, crop_size={"height": 10**6, "width": 10**6}),
    "area of a billion": images(max_pixels=10**9),
    "mean of two": images(image_mean=[0.5, 0.5]),
    "mean is a text": images(image_mean="0.5"),
    "deviation of zero": images(image_std=[0, 0, 0]),
    "factor is huge": images(rescale_factor=HUGE),
    "resample is unknown": images(resample=99),
    "unknown image processor": images(image_processor_type="SamImageProcessor"),
    "image processor is a list": images(image_processor_type=["x"]),
    "image processor of another family": images(image_processor_type="FuyuImageProcessor"),
    "nested image processor": processor(image_processor={"image_processor_type": "Evil"}),
    "million tiles": images(max_patches=10**6),
    "million tiles of Llama": images(max_image_tiles=10**6),
    "million crops": images(pan_and_scan_max_num_crops=10**6),
    "crops of zero pixels": images(pan_and_scan_min_crop_size=0),
    "tiles of a pixel": images(size={"longest_edge": 4096}, max_image_size={"longest_edge": 1}),
    "patch of zero": images(patch_size=0),
    "patch is a text": images(patch_size={"height": "x", "width": 14}),
    "merge size of zero": images(merge_size=0),
    "tokens of a billion": processor(image_seq_length=10**9, image_seq_len=10**9),
    "token is a list": processor(image_token=["x"]),
    "break token is empty": processor(image_break_token=""),
    # tokenizer
    "template without its tokens": fields(
        "tokenizer.json",
        post_processor={
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}],
            "pair": [],
            "special_tokens": {},
        },
    ),
    "only an old tokenizer": lambda folder: (folder / "tokenizer.json").rename(
        folder / "tokenizer.model"
    ),
    # weights
    "overlapping weights": weight(lambda value, name: value[name].update(data_offsets=[0, 384])),
    "weight out of the file": weight(
        lambda value, name: value[name].update(data_offsets=[1 << 60, 384])
    ),
    "missing embeddings": weight(lambda value, name: value.pop(name)),
    "renamed embeddings": weight(lambda value, name: value.update(extra=value.pop(name))),
    "embeddings in one row": weight(
        lambda value, name: value[name].update(shape=[1, *value[name]["shape"]])
    ),
    "weight of size zero": weight(
        lambda value, name: value[name].update(shape=[0], data_offsets=[0, 0])
    ),
    "weight of integers": weight(lambda value, name: value[name].update(dtype="I32")),
    "weight in 8 bits": weight(lambda value, name: value[name].update(dtype="F8_E4M3")),
    "unknown number type": weight(lambda value, name: value[name].update(dtype="F1024")),
    "shape is a text": weight(lambda value, name: value[name].update(shape="192")),
    "shape is huge": weight(lambda value, name: value[name].update(shape=[1 << 62, 1 << 62])),
    "entry is a number": weight(lambda value, name: value.update({name: 7})),
    "name twice": name_twice,
    "fewer layers": header(layers_gone),
    "600 layers": header(many_layers, tail=bytes(2400)),
}  # fmt: skip
