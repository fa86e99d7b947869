"""A checkpoint of random weights in the hub's layout: 16 bits, shards of a gigabyte, older names (with
`--layout current` those of now).

`7b` and `13b` have the shapes of the public models, `mid` is one to measure with on a small machine,
`tiny` one to test with.
Weights are written shard by shard, so that a 7B needs the memory of one shard.

    python benchmarks/make_checkpoint.py --size mid --out build/mid
"""

import argparse
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from accelerate import init_empty_weights
from safetensors.torch import save_file
from torch import Tensor
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.hub.registry import PUBLISHED

SHARD_BYTES = 1_000_000_000
RANDOM_NUMBERS = 1 << 24  # repeated: to draw each of seven billion takes minutes
SPREAD = 0.02
WORDS, IMAGE, PAD = 32_000, 32_000, 32_001

# Hidden and intermediate size, layers, heads.
SMALLER: Mapping[str, Mapping[str, tuple[int, int, int, int]]] = {
    "tiny": {"vision_config": (64, 128, 12, 2), "text_config": (64, 128, 2, 2)},
    "mid": {"vision_config": (512, 2048, 12, 8), "text_config": (1024, 2816, 8, 16)},
}

OLDER_NAMES = (
    (r"^lm_head", "language_model.lm_head"),
    (r"^model\.language_model", "language_model.model"),
    (r"^model\.vision_tower\.(?!vision_model)", "vision_tower.vision_model."),
    (r"^model\.", ""),
)


def config_of(size: str) -> dict[str, Any]:
    """What config.json says, with the names of a public one."""
    config = json.loads(json.dumps(PUBLISHED[size if size in PUBLISHED else "7b"].config))
    if size in SMALLER:
        for half, (hidden, intermediate, layers, heads) in SMALLER[size].items():
            config[half] |= {"hidden_size": hidden, "intermediate_size": intermediate}
            config[half] |= {"num_hidden_layers": layers, "num_attention_heads": heads}
        config["text_config"]["num_key_value_heads"] = config["text_config"]["num_attention_heads"]
    config["vision_feature_layers"] = config.pop("vision_feature_layer")
    return {**config, "torch_dtype": config.pop("dtype")}


def shards(
    config: Mapping[str, Any], seed: int, called: Callable[[str], str]
) -> Iterator[dict[str, Tensor]]:
    """Weights by their older names, about a gigabyte at a time."""
    with init_empty_weights():
        model = VipLlavaForConditionalGeneration(VipLlavaConfig(**config))
    noise = torch.randn(RANDOM_NUMBERS, generator=torch.Generator().manual_seed(seed))
    noise = (noise * SPREAD).half()
    shard: dict[str, Tensor] = {}
    size = 0
    for number, (name, empty) in enumerate(model.state_dict().items()):
        weight = values(name, empty.shape, noise[4099 * number :])
        if size and size + weight.nbytes > SHARD_BYTES:
            yield shard
            shard, size = {}, 0
        shard[called(name)] = weight
        size += weight.nbytes
    yield shard


def values(name: str, shape: torch.Size, noise: Tensor) -> Tensor:
    """Random matrices, norms that change nothing, biases of nothing."""
    if len(shape) == 1 and not name.endswith("class_embedding"):
        return torch.full(shape, 0.0 if name.endswith("bias") else 1.0, dtype=torch.float16)
    count = shape.numel()
    if count > len(noise):
        noise = noise.repeat(count // len(noise) + 1)
    return noise[:count].view(shape).clone()


def older(name: str) -> str:
    """A weight's name as the public models have it."""
    for pattern, replacement in OLDER_NAMES:
        name = re.sub(pattern, replacement, name)
    return name


# What each layout calls a weight.
LAYOUTS: Mapping[str, Callable[[str], str]] = {"hub": older, "current": str}


def write_weights(config: Mapping[str, Any], folder: Path, seed: int, layout: str) -> None:
    """The shards and their index."""
    weight_map: dict[str, str] = {}
    written = []
    for number, shard in enumerate(shards(config, seed, LAYOUTS[layout])):
        path = folder / f"part-{number}"
        save_file(shard, path, {"format": "pt"})
        written.append((path, list(shard)))
    for number, (path, names) in enumerate(written, 1):
        file = f"model-{number:05}-of-{len(written):05}.safetensors"
        path.rename(folder / file)
        weight_map |= dict.fromkeys(names, file)
    total = sum(path.stat().st_size for path in folder.glob("model-*"))
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def write_words(folder: Path, side: int) -> None:
    """The shipped tokenizer with as many tokens as the public one, `<image>` and `<pad>` after them; an
    older processor in two files.
    """
    shipped = BUNDLED["tiny"]
    tokenizer = json.loads((shipped / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    numbers = {"<image>": IMAGE, "<pad>": PAD}
    for token in tokenizer["added_tokens"]:
        if token["content"] in numbers:
            vocabulary[f"<unused{token['id']}>"] = vocabulary.pop(token["content"])
            token["id"] = numbers[token["content"]]
        else:
            vocabulary.setdefault(token["content"], token["id"])
    vocabulary |= {f"<word{at}>": at for at in range(len(vocabulary), WORDS)}
    tokenizer["added_tokens"].sort(key=lambda token: token["id"])
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    shutil.copy(shipped / "tokenizer_config.json", folder)
    images = json.loads((shipped / "processor_config.json").read_text())["image_processor"]
    images |= {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
    images["processor_class"] = "LlavaProcessor"
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "LlavaProcessor"}))
    generation = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": PAD}
    (folder / "generation_config.json").write_text(json.dumps(generation))


def make(size: str, folder: Path, seed: int = 0, layout: str = "hub") -> None:
    """Write the whole checkpoint."""
    folder.mkdir(parents=True)
    config = config_of(size)
    (folder / "config.json").write_text(json.dumps(config))
    write_words(folder, config["vision_config"]["image_size"])
    write_weights(config, folder, seed, layout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Write a checkpoint of random weights.")
    parser.add_argument("--size", choices=(*SMALLER, *PUBLISHED), default="mid")
    parser.add_argument("--layout", choices=LAYOUTS, default="hub")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    make(given.size, given.out, given.seed, given.layout)
    print(f"wrote {given.out}")
