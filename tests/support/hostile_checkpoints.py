"""Attacks by the files of a checkpoint. Each one changes a copy of the shipped model in place."""

import json
import os
import socket
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.support.devices import link_to_device

Attack = Callable[[Path], object]
WEIGHTS = "model.safetensors"


def write(file: str, text: str | bytes) -> Attack:
    """Replace a file."""
    data = text.encode() if isinstance(text, str) else text
    return lambda folder: (folder / file).write_bytes(data)


def fields(file: str, part: str = "", **changes: object) -> Attack:
    """Change fields of a JSON file, or of one part of it."""

    def change(folder: Path) -> None:
        path = folder / file
        value = json.loads(path.read_text())
        (value[part] if part else value).update(changes)
        path.write_text(json.dumps(value))

    return change


def text_config(**changes: object) -> Attack:
    return fields("config.json", "text_config", **changes)


def vision_config(**changes: object) -> Attack:
    return fields("config.json", "vision_config", **changes)


def images(**changes: object) -> Attack:
    return fields("processor_config.json", "image_processor", **changes)


def tokenizer(part: str = "", **changes: object) -> Attack:
    return fields("tokenizer.json", part, **changes)


def regex(pattern: str) -> Attack:
    """Split texts by a regular expression."""
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    return tokenizer(pre_tokenizer=split)


def replaced(content: str, times: int = 1) -> Attack:
    """Replace a letter of every text, so often."""
    step = {"type": "Replace", "pattern": {"String": "a"}, "content": content}
    return tokenizer(normalizer={"type": "Sequence", "normalizers": [step] * times})


def raw(file: str, old: str, new: str) -> Attack:
    """Replace a text of a file, for what `json` does not write."""

    def change(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text
        (folder / file).write_text(text.replace(old, new, 1))

    return change


def nested(levels: int) -> str:
    return '{"a":' * levels + "1" + "}" * levels


def sparse(file: str, size: int) -> Attack:
    """Make a file of this size that takes no room on the disk."""

    def change(folder: Path) -> None:
        with (folder / file).open("wb") as stream:
            stream.truncate(size)

    return change


# --- kinds of files --------------------------------------------------------------------------


def instead(file: str, make: Callable[[Path], object]) -> Attack:
    """Put something else in the place of a file."""

    def change(folder: Path) -> None:
        (folder / file).unlink(missing_ok=True)
        make(folder / file)

    return change


def make_socket(path: Path) -> None:
    here = os.getcwd()
    os.chdir(path.parent)  # the name of a socket has at most 107 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def link_out(path: Path) -> None:
    """Link to a good file of the same name outside of the folder."""
    outside = path.parent.parent / "outside"
    outside.mkdir()
    from vipllava_cli.engine.hub.registry import BUNDLED

    (outside / path.name).write_bytes((BUNDLED["tiny"] / path.name).read_bytes())
    path.symlink_to(outside / path.name)


# --- weights ---------------------------------------------------------------------------------


def header(change: Callable[[dict[str, Any]], object], tail: bytes = b"") -> Attack:
    """Change the header of the weights; the data stays as it is."""

    def attack(folder: Path) -> None:
        data = (folder / WEIGHTS).read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        value = json.loads(data[8 : 8 + length])
        change(value)
        text = json.dumps(value).encode()
        (folder / WEIGHTS).write_bytes(
            struct.pack("<Q", len(text)) + text + data[8 + length :] + tail
        )

    return attack


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "a" * 64 + "\nsize 14280096\n"


def raw_header(text: bytes, length: int | None = None) -> Attack:
    """Replace the whole file by a header."""
    size = len(text) if length is None else length
    return write(WEIGHTS, struct.pack("<Q", size) + text)


NORM = "language_model.model.norm.weight"
BIAS = "multi_modal_projector.linear_1.bias"
MATRIX = "language_model.model.layers.0.mlp.up_proj.weight"
OTHER_MATRIX = "language_model.model.layers.0.mlp.down_proj.weight"


def swap(value: dict[str, Any]) -> None:
    value[MATRIX], value[OTHER_MATRIX] = value[OTHER_MATRIX], value[MATRIX]


def name_twice(folder: Path) -> None:
    """Give the header a name twice; it stays as long."""
    data = (folder / WEIGHTS).read_bytes()
    first, second = (f"language_model.model.layers.{n}.input_layernorm.weight" for n in (1, 2))
    (folder / WEIGHTS).write_bytes(data.replace(first.encode(), second.encode(), 1))


def number_type(value: dict[str, Any]) -> None:
    value[NORM]["dtype"] = "I16"


def fill(weight: str, number: float) -> Attack:
    """Set all numbers of a weight in fp16."""

    def attack(folder: Path) -> None:
        data = bytearray((folder / WEIGHTS).read_bytes())
        (length,) = struct.unpack("<Q", data[:8])
        begin, end = json.loads(bytes(data[8 : 8 + length]))[weight]["data_offsets"]
        start = 8 + length
        data[start + begin : start + end] = struct.pack("<e", number) * ((end - begin) // 2)
        (folder / WEIGHTS).write_bytes(bytes(data))

    return attack


def index(weight_map: object, *, keep: bool = False) -> Attack:
    """Replace the weights by an index."""

    def attack(folder: Path) -> None:
        if not keep:
            (folder / WEIGHTS).rename(folder / "model-00001-of-00001.safetensors")
        text = json.dumps({"metadata": {}, "weight_map": weight_map})
        (folder / "model.safetensors.index.json").write_text(text)

    return attack


def doubled_shards(folder: Path) -> None:
    """Put the same weights into two shards."""
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).unlink()
    files = [f"model-0000{number}-of-00002.safetensors" for number in (1, 2)]
    for file in files:
        (folder / file).write_bytes(data)
    text = json.dumps({"weight_map": {NORM: files[0], BIAS: files[1]}})
    (folder / "model.safetensors.index.json").write_text(text)


HUGE = 10**400
REFUSED: Mapping[str, Attack] = {
    # config.json
    "nested config": write("config.json", nested(10_000)),
    "nested field": raw("config.json", '"hidden_act": "silu"', f'"rope_scaling": {nested(900)}'),
    "100 MB of config": sparse("config.json", 100 << 20),
    "config with NaN": raw("config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": NaN'),
    "config with 1e999": raw("config.json", '"rms_norm_eps": 1e-06', '"rms_norm_eps": 1e999'),
    "5,000 digits": raw("config.json", '"hidden_size": 192', f'"hidden_size": {"9" * 5000}'),
    "config is a list": write("config.json", "[1]"),
    "config is null": write("config.json", "null"),
    "config is empty": write("config.json", ""),
    "config is binary": write("config.json", bytes(range(256))),
    "model type is a list": fields("config.json", model_type=["vipllava"] * 1000),
    "text config is a list": fields("config.json", text_config=[]),
    "feature layer is a text": fields("config.json", vision_feature_layer="all"),
    "million feature layers": fields("config.json", vision_feature_layer=[1] * 100_000),
    "feature layer out of range": fields("config.json", vision_feature_layer=[-500] * 5),
    "image token is negative": fields("config.json", image_token_index=-1),
    "image token is huge": fields("config.json", image_token_index=HUGE),
    "unknown activation": fields("config.json", projector_hidden_act="import os"),
    "rope theta is a truth value": text_config(rope_parameters={"rope_theta": True}),
    "rope theta is null": text_config(rope_parameters={"rope_theta": None}),
    "rope theta is a text": text_config(rope_parameters={"rope_theta": "10000"}),
    "rope theta is negative": text_config(rope_parameters={"rope_theta": -5.0}),
    "rope type is unknown": text_config(rope_parameters={"rope_type": "evil"}),
    "rope factor is zero": text_config(rope_parameters={"rope_type": "linear", "factor": 0}),
    "rope factor is a text": text_config(rope_scaling={"type": "linear", "factor": "x"}),
    "odd heads": text_config(head_dim=3, num_attention_heads=64, num_key_value_heads=64),
    "billion labels": fields("config.json", num_labels=10**9),
    "billion labels of the text": text_config(num_labels=10**9),
    "billion labels of the image": vision_config(num_labels=10**9),
    "unknown text model": text_config(model_type="mamba"),
    "unknown vision model": vision_config(model_type="sam_vision_model"),
    **{
        f"{key} {value!r:.12}": text_config(**{key: value})
        for key, value in (
            ("num_hidden_layers", 0),
            ("num_hidden_layers", -1),
            ("num_hidden_layers", 10**6),
            ("num_hidden_layers", HUGE),
            ("num_hidden_layers", 6.5),
            ("num_hidden_layers", "6"),
            ("num_hidden_layers", None),
            ("num_hidden_layers", True),
            ("num_hidden_layers", 500),
            ("num_attention_heads", 0),
            ("num_attention_heads", 5),
            ("num_attention_heads", 10**9),
            ("num_key_value_heads", 2),
            ("head_dim", -64),
            ("hidden_size", 0),
            ("hidden_size", 65_536),
            ("intermediate_size", 10**8),
            ("vocab_size", 0),
            ("vocab_size", 10**12),
            ("max_position_embeddings", 0),
            ("max_position_embeddings", 200),
            ("rms_norm_eps", "small"),
            ("rope_parameters", [1]),
            ("rope_scaling", {"factor": HUGE}),
            ("attention_bias", "yes"),
            ("hidden_act", 7),
        )
    },
    **{
        f"vision {key} {value!r:.12}": vision_config(**{key: value})
        for key, value in (
            ("num_hidden_layers", 0),
            ("num_hidden_layers", 10**5),
            ("num_attention_heads", 7),
            ("hidden_size", -192),
            ("intermediate_size", 2),
            ("image_size", 0),
            ("image_size", 10**6),
            ("image_size", 4096),
            ("image_size", "256"),
            ("patch_size", 0),
            ("patch_size", 257),
            ("patch_size", 1),
            ("num_channels", 10**6),
            ("projection_dim", -1),
        )
    },
    # generation_config.json
    "end token is a text": fields("generation_config.json", eos_token_id="</s>"),
    "million end tokens": fields("generation_config.json", eos_token_id=[2] * 50_000),
    "pad token is huge": fields("generation_config.json", pad_token_id=HUGE),
    "pad token out of range": fields("generation_config.json", pad_token_id=5000),
    "end token out of range": fields("generation_config.json", eos_token_id=[2, 1280]),
    "generation is a list": write("generation_config.json", "[]"),
    "100 MB of generation": sparse("generation_config.json", 100 << 20),
    # processor_config.json
    "crop of a million": images(crop_size={"height": 10**6, "width": 10**6}),
    "crop of zero": images(crop_size={"height": 0, "width": 0}),
    "crop of another side": images(crop_size={"height": 128, "width": 128}),
    "size of another side": images(do_center_crop=False, size={"height": 64, "width": 64}),
    "size is a text": images(size="large"),
    "size without fields": images(size={}),
    "mean of two": images(image_mean=[0.5, 0.5]),
    "mean is a text": images(image_mean="0.5"),
    "deviation of zero": images(image_std=[0, 0, 0]),
    "factor is huge": images(rescale_factor=HUGE),
    "resample is unknown": images(resample=99),
    "unknown image processor": images(image_processor_type="SamImageProcessor"),
    "image processor is a list": fields("processor_config.json", image_processor=[]),
    # tokenizer.json
    "empty vocabulary": tokenizer("model", vocab={}),
    "vocabulary is a number": tokenizer("model", vocab=7),
    "token without embedding": tokenizer("model", vocab={"a": 10**9}),
    "negative token": tokenizer("model", vocab={"a": -1}),
    "token id is a text": tokenizer("model", vocab={"a": "1"}),
    "random merges": tokenizer("model", dropout=0.5),
    "unknown tokenizer model": tokenizer("model", type="Evil"),
    "tokenizer is a list": write("tokenizer.json", "[]"),
    "tokenizer is empty": write("tokenizer.json", "{}"),
    "nested tokenizer": write("tokenizer.json", nested(10_000)),
    "100 MB of tokenizer": sparse("tokenizer.json", 100 << 20),
    "catastrophic pattern": regex(r"(a+)+$"),
    "overlapping pattern": regex(r"(x+x+)+y"),
    "repeated pattern": regex(r"(?:(?:a{1000}){1000}){1000}"),
    "deep pattern": regex("(" * 20_000 + "a" + ")" * 20_000),
    "broken pattern": regex("(a"),
    "recursive pattern": regex(r"(?<n>a\g<n>*)"),
    "growing text": replaced("a" * 10_000_000),
    "doubling text": replaced("aa", times=40),
    "thousand steps": replaced("a", times=1000),
    "binary table": tokenizer(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
    "unknown part": tokenizer(pre_tokenizer={"type": "Shell"}),
    "padding of a billion": tokenizer(
        padding={"strategy": {"Fixed": 10**9}, "direction": "Left", "pad_id": 4, "pad_type_id": 0}
    ),
    "prefix of parts of words": tokenizer("model", continuing_subword_prefix="##"),
    "pieces of no letter": tokenizer(pre_tokenizer={"type": "FixedLength", "length": 0}),
    "letters stripped at the end": tokenizer(
        decoder={"type": "Strip", "content": "a", "start": 0, "stop": 3}
    ),
    "template without its tokens": tokenizer("post_processor", special_tokens={}),
    "empty added token": tokenizer(added_tokens=[{"id": 3, "content": ""}]),
    "added tokens are texts": tokenizer(added_tokens=["<image>"]),
    # the files beside the tokenizer
    **{
        f"{file}: {field} {value!r:.20}": fields(file, "", **{field: value})
        for file, field, value in (
            ("tokenizer_config.json", "bos_token", 7),
            ("tokenizer_config.json", "bos_token", ""),
            ("tokenizer_config.json", "bos_token", {"content": 7}),
            ("tokenizer_config.json", "bos_token", {"content": "<s>", "lstrip": "yes"}),
            ("tokenizer_config.json", "eos_token", "x" * 100_000),
            ("tokenizer_config.json", "image_token", ["<image>"]),
            ("tokenizer_config.json", "extra_special_tokens", "<image>"),
            ("tokenizer_config.json", "extra_special_tokens", ["x"] * 100_000),
            ("tokenizer_config.json", "extra_special_tokens", {"a": 7}),
            ("tokenizer_config.json", "model_max_length", -1),
            ("tokenizer_config.json", "model_max_length", "long"),
            ("tokenizer_config.json", "model_max_length", HUGE),
            ("tokenizer_config.json", "padding_side", "up"),
            ("tokenizer_config.json", "add_bos_token", 1),
            ("tokenizer_config.json", "tokenizer_class", ["LlamaTokenizer"]),
            ("tokenizer_config.json", "chat_template", 7),
            ("tokenizer_config.json", "chat_template", "x" * 300_000),
            ("tokenizer_config.json", "chat_template", [{"name": "a", "template": 7}]),
            ("tokenizer_config.json", "added_tokens_decoder", []),
            ("tokenizer_config.json", "added_tokens_decoder", {"9999999": {"content": "x"}}),
            ("tokenizer_config.json", "added_tokens_decoder", {"-1": {"content": "x"}}),
            ("tokenizer_config.json", "added_tokens_decoder", {"a": {"content": "x"}}),
            ("tokenizer_config.json", "added_tokens_decoder", {"4": "x" * 2000}),
            ("tokenizer_config.json", "added_tokens_decoder", {"4": None}),
            ("processor_config.json", "patch_size", 0),
            ("processor_config.json", "patch_size", HUGE),
            ("processor_config.json", "num_additional_image_tokens", 10**9),
            ("processor_config.json", "image_token", 7),
            ("processor_config.json", "vision_feature_select_strategy", "none"),
            ("processor_config.json", "chat_template", ["x"]),
        )
    },
    **{
        f"{file} {text:.30}": write(file, text)
        for file, text in (
            ("special_tokens_map.json", '{"bos_token": 7}'),
            ("special_tokens_map.json", '{"bos_token": []}'),
            ("special_tokens_map.json", '{"additional_special_tokens": [""]}'),
            ("special_tokens_map.json", '{"additional_special_tokens": [{"content": null}]}'),
            ("special_tokens_map.json", nested(10_000)),
            ("special_tokens_map.json", "[]"),
            ("added_tokens.json", '{"x": -1}'),
            ("added_tokens.json", '{"x": 99999999}'),
            ("added_tokens.json", '{"x": "1"}'),
            ("added_tokens.json", '{"x": true}'),
            ("added_tokens.json", '{"": 1}'),
            ("added_tokens.json", json.dumps({"y" * 2000: 1})),
            ("added_tokens.json", "null"),
            ("preprocessor_config.json", '{"image_std": [0, 1, 1]}'),
            ("preprocessor_config.json", '{"size": {"shortest_edge": 1e9}}'),
            ("preprocessor_config.json", '{"patch_size": "16"}'),
            ("preprocessor_config.json", nested(900)),
            ("chat_template.json", '{"chat_template": 7}'),
            ("chat_template.json", "[]"),
            ("chat_template.jinja", "x" * 300_000),
        )
    },
    # weights
    "absurd header length": write(WEIGHTS, struct.pack("<Q", 1 << 62) + b"{}"),
    "header longer than file": raw_header(b"{}", 1000),
    "50 MB of header": raw_header(b"[" * (50 << 20)),
    "nested header": raw_header(nested(10_000).encode()),
    "header is a list": raw_header(b"[]"),
    "header is no text": raw_header(b"\xff" * 100),
    "pointer in place of weights": write(WEIGHTS, POINTER),
    "pointer in place of a tokenizer": write("tokenizer.json", POINTER),
    "no weights": raw_header(b"{}"),
    "empty weights": write(WEIGHTS, b""),
    "truncated weights": lambda folder: os.truncate(folder / WEIGHTS, 10_000_000),
    "bytes after the weights": header(lambda value: None, tail=b"\0" * 64),
    "overlapping weights": header(lambda value: value[NORM].update(data_offsets=[0, 384])),
    "weight out of the file": header(lambda value: value[NORM].update(data_offsets=[1 << 60, 384])),
    "missing weight": header(lambda value: value.pop(NORM)),
    "renamed weight": header(lambda value: value.update(extra=value.pop(NORM))),
    "swapped weights": header(swap),
    "weight of size zero": header(lambda value: value[NORM].update(shape=[0], data_offsets=[0, 0])),
    "weight of integers": header(number_type),
    "unknown number type": header(lambda value: value[NORM].update(dtype="F1024")),
    "shape is a text": header(lambda value: value[NORM].update(shape="192")),
    "shape is huge": header(lambda value: value[NORM].update(shape=[1 << 62, 1 << 62])),
    "entry is a number": header(lambda value: value.update({NORM: 7})),
    "name twice": name_twice,
    "index leaves the folder": index({NORM: "../model.safetensors"}),
    "index is absolute": index({NORM: "/dev/zero"}),
    "index with odd name": index({NORM: "a\n\x1b[31m.safetensors"}),
    "index names missing shards": index({NORM: "model-00002-of-00002.safetensors"}),
    "index is empty": index({}),
    "index is a list": index([NORM]),
    "index of numbers": index({NORM: 7}),
    "weights in two shards": doubled_shards,
}

KINDS: Mapping[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "socket": make_socket,
    "folder": Path.mkdir,
    "device": link_to_device,
    "link out": link_out,
    "link to itself": lambda path: path.symlink_to(path.name),
}
FILES = (
    "config.json",
    "generation_config.json",
    "processor_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    WEIGHTS,
)
KIND_ATTACKS: Mapping[str, Attack] = {
    f"{kind} as {file}": instead(file, make) for kind, make in KINDS.items() for file in FILES
}
