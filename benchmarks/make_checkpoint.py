"""Write a checkpoint of random weights in the layout of the public models.

    python -m benchmarks.make_checkpoint --size mid --out build/mid

The layout is 16 bits, shards of a gigabyte, and older weight names; `--layout current` writes
current names. `7b` and `13b` have the shapes of the public models, `mid` is for measurements on a
small machine, `tiny` for tests. Writing takes as long as the disk takes.
"""

import argparse
import json
import os
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED

SHARD_BYTES = 1_000_000_000
RANDOM_NUMBERS = 1 << 24  # the weights repeat them: drawing seven billion numbers takes minutes
STANDARD_DEVIATION = 0.02
WORDS, IMAGE, PAD = 32_000, 32_000, 32_001  # vocabulary without the added tokens; their ids

# Hidden size, intermediate size, layers, heads.
SMALL_SHAPES: Mapping[str, Mapping[str, tuple[int, int, int, int]]] = {
    "tiny": {"vision_config": (64, 128, 12, 2), "text_config": (64, 128, 2, 2)},
    "mid": {"vision_config": (512, 2048, 24, 8), "text_config": (1024, 2816, 8, 16)},
}

OLDER_NAMES = (
    (r"^lm_head", "language_model.lm_head"),
    (r"^model\.language_model", "language_model.model"),
    (r"^model\.vision_tower\.(?!vision_model)", "vision_tower.vision_model."),
    (r"^model\.", ""),
)


# Of the public checkpoints: the class token of the tower is counted, and left out again.
_PROCESSOR = {
    "processor_class": "LlavaProcessor",
    "patch_size": 14,
    "num_additional_image_tokens": 1,
    "vision_feature_select_strategy": "default",
}


def make_config(size: str) -> dict[str, Any]:
    """Make a config.json with the keys of a public one."""
    config = json.loads(json.dumps(PUBLISHED[size if size in PUBLISHED else "7b"].config))
    if size in SMALL_SHAPES:
        for half, (hidden, intermediate, layers, heads) in SMALL_SHAPES[size].items():
            config[half] |= {"hidden_size": hidden, "intermediate_size": intermediate}
            config[half] |= {"num_hidden_layers": layers, "num_attention_heads": heads}
        config["text_config"]["num_key_value_heads"] = config["text_config"]["num_attention_heads"]
    config["vision_feature_layers"] = config.pop("vision_feature_layer")
    return {**config, "torch_dtype": config.pop("dtype")}


@dataclass(frozen=True)
class Weight:
    """A weight in fp16 that repeats `numbers` until its shape is full."""

    name: str
    shape: torch.Size
    numbers: memoryview

    @property
    def size(self) -> int:
        """The size in bytes."""
        return 2 * self.shape.numel()


def list_weights(
    config: Mapping[str, Any], seed: int, rename: Callable[[str], str]
) -> Iterator[Weight]:
    """Yield the renamed weights: random matrices, norms of one, biases of zero."""
    with init_empty_weights():
        model = VipLlavaForConditionalGeneration(VipLlavaConfig(**config))
    noise = torch.randn(RANDOM_NUMBERS, generator=torch.Generator().manual_seed(seed))
    noise = (noise * STANDARD_DEVIATION).half()
    for number, (name, empty) in enumerate(model.state_dict().items()):
        numbers = noise[4099 * number :]
        if len(empty.shape) == 1 and not name.endswith("class_embedding"):
            value = 0.0 if name.endswith("bias") else 1.0
            numbers = torch.full(empty.shape, value, dtype=torch.float16)
        yield Weight(rename(name), empty.shape, numbers.numpy().data.cast("B"))


def split_into_shards(weights: Iterable[Weight]) -> list[list[Weight]]:
    """Split the weights into files of up to a gigabyte."""
    shards: list[list[Weight]] = [[]]
    size = 0
    for weight in weights:
        if size and size + weight.size > SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(weight)
        size += weight.size
    return shards


def write_shard(path: Path, weights: Sequence[Weight]) -> None:
    """Write a safetensors file straight from the random numbers, without a copy in memory."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for weight in weights:
        start, end = end, end + weight.size
        shape = list(weight.shape)
        header[weight.name] = {"dtype": "F16", "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for weight in weights:
            left = weight.size
            while left:
                left -= file.write(weight.numbers[:left])


def older_name(name: str) -> str:
    """Return the name that a weight has in the public models."""
    for pattern, replacement in OLDER_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


# How each layout names a weight.
LAYOUTS: Mapping[str, Callable[[str], str]] = {"hub": older_name, "current": str}


def write_weights(config: Mapping[str, Any], folder: Path, seed: int, layout: str) -> None:
    """Write the shards, in as many threads as there are cores, and their index."""
    shards = split_into_shards(list_weights(config, seed, LAYOUTS[layout]))
    paths = [
        folder / f"model-{number:05}-of-{len(shards):05}.safetensors"
        for number in range(1, len(shards) + 1)
    ]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(write_shard, paths, shards))
    weight_map = {
        weight.name: path.name
        for path, shard in zip(paths, shards, strict=True)
        for weight in shard
    }
    total = sum(path.stat().st_size for path in paths)
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_tokenizer(folder: Path, side: int) -> None:
    """Write the shipped tokenizer with the public size, and an older processor in two files.

    `<image>` and `<pad>` get the ids that follow the vocabulary.
    """
    shipped = BUNDLED["tiny"]
    tokenizer = json.loads((shipped / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    added_ids = {"<image>": IMAGE, "<pad>": PAD}
    for token in tokenizer["added_tokens"]:
        if token["content"] in added_ids:
            vocabulary[f"<unused{token['id']}>"] = vocabulary.pop(token["content"])
            token["id"] = added_ids[token["content"]]
        else:
            vocabulary.setdefault(token["content"], token["id"])
    vocabulary |= {f"<word{id}>": id for id in range(len(vocabulary), WORDS)}
    tokenizer["added_tokens"].sort(key=lambda token: token["id"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    shutil.copy(shipped / "tokenizer_config.json", folder)
    images = json.loads((shipped / "processor_config.json").read_text())["image_processor"]
    images |= {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    images["processor_class"] = "LlavaProcessor"
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "processor_config.json").write_text(json.dumps(_PROCESSOR))
    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": PAD}
    (folder / "generation_config.json").write_text(json.dumps(generation))


def make(size: str, folder: Path, seed: int = 0, layout: str = "hub") -> None:
    """Write a complete checkpoint to a new folder."""
    folder.mkdir(parents=True)
    config = make_config(size)
    (folder / "config.json").write_text(json.dumps(config))
    write_tokenizer(folder, config["vision_config"]["image_size"])
    write_weights(config, folder, seed, layout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a checkpoint of random weights.")
    parser.add_argument("--size", choices=(*SMALL_SHAPES, *PUBLISHED), default="mid")
    parser.add_argument("--layout", choices=LAYOUTS, default="hub")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    make(arguments.size, arguments.out, arguments.seed, arguments.layout)
    print(f"wrote {arguments.out}")
