"""The layouts and oddities of published checkpoints. Each function changes a folder in place."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

INDEX = "model.safetensors.index.json"


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def save_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    save_file({n: w.contiguous() for n, w in weights.items()}, folder / "model.safetensors", FORMAT)


FORMAT = {"format": "pt"}


def edit(folder: Path, file: str, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a JSON file in place."""
    value = json.loads((folder / file).read_text())
    change(value)
    (folder / file).write_text(json.dumps(value))


def edit_config(folder: Path, **changes: object) -> None:
    edit(folder, "config.json", lambda config: config.update(changes))


def rename_weights(folder: Path, *rules: tuple[str, str]) -> None:
    """Rename the weights by regular expressions."""
    weights = weights_of(folder)
    for pattern, new in rules:
        weights = {re.sub(pattern, new, name): value for name, value in weights.items()}
    save_weights(folder, weights)


def old_names(folder: Path) -> None:
    """Use the weight names of the class when the public models were published."""
    rename_weights(folder, (r"^vision_tower\.(?!vision_model)", "vision_tower.vision_model."))
    assert {name.split(".")[0] for name in weights_of(folder)} == {
        "language_model", "multi_modal_projector", "vision_tower"
    }  # fmt: skip


def new_names(folder: Path) -> None:
    """Use the weight names of the class today."""
    rename_weights(
        folder,
        (r"^language_model\.lm_head", "lm_head"),
        (r"^language_model\.model", "model.language_model"),
        (r"^(vision_tower|multi_modal_projector)", r"model.\1"),
    )
    assert {name.split(".")[0] for name in weights_of(folder)} == {"model", "lm_head"}


def in_shards(folder: Path, count: int = 3) -> None:
    weights = weights_of(folder)
    names = sorted(weights)
    shards = {f"model-{i + 1:05}-of-{count:05}.safetensors": names[i::count] for i in range(count)}
    for file, members in shards.items():
        save_file({name: weights[name] for name in members}, folder / file, FORMAT)
    (folder / "model.safetensors").unlink()
    weight_map = {name: file for file, members in shards.items() for name in members}
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index))


def in_32_bits(folder: Path) -> None:
    save_weights(folder, {name: value.float() for name, value in weights_of(folder).items()})
    edit_config(folder, torch_dtype="float32", dtype=None)


def older_processor(folder: Path) -> None:
    """Use two files that do not say how many tokens an image takes."""
    processor = json.loads((folder / "processor_config.json").read_text())
    images = {**processor["image_processor"], "processor_class": "LlavaProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "LlavaProcessor"}))


def as_published(folder: Path) -> Path:
    """Use the whole layout of the public models."""
    old_names(folder)
    in_shards(folder)
    older_processor(folder)
    return folder


FIRST_FREE_ID = 1162  # the first id without a token in the shipped tokenizer
VOCABULARY_ROWS = 1280  # rows of the shipped model's embeddings


# --- oddities --------------------------------------------------------------------------------


def older_layer_name(folder: Path) -> None:
    """Keep the layers under `vision_feature_layers`; the newer key has LLaVA's single layer."""

    def change(config: dict[str, Any]) -> None:
        config["vision_feature_layers"] = config["vision_feature_layer"]
        config["vision_feature_layer"] = -2

    edit(folder, "config.json", change)


def wrong_image_tokens(folder: Path) -> None:
    edit(
        folder,
        "processor_config.json",
        lambda processor: processor.update(patch_size=7, num_additional_image_tokens=0),
    )


def no_strategy(folder: Path) -> None:
    def change(processor: dict[str, Any]) -> None:
        for key in ("patch_size", "num_additional_image_tokens", "vision_feature_select_strategy"):
            del processor[key]

    edit(folder, "processor_config.json", change)


def no_crop(folder: Path) -> None:
    """Do not crop; the stock processor crops the centre."""

    def change(processor: dict[str, Any]) -> None:
        images = processor["image_processor"]
        images.update(do_center_crop=False, size=images["crop_size"])

    edit(folder, "processor_config.json", change)


def image_token_last(folder: Path) -> None:
    """Give the image token an id after all others, among the unused rows of the vocabulary."""
    more_rows(folder)

    def change(tokenizer: dict[str, Any]) -> None:
        vocabulary = tokenizer["model"]["vocab"]
        vocabulary["<unused>"] = vocabulary.pop("<image>")
        [image] = [token for token in tokenizer["added_tokens"] if token["content"] == "<image>"]
        image["id"] = FIRST_FREE_ID
        tokenizer["added_tokens"].sort(key=lambda token: token["id"])

    edit(folder, "tokenizer.json", change)
    edit_config(folder, image_token_index=FIRST_FREE_ID)


def no_image_token(folder: Path) -> None:
    """Use the tokenizer of the language model alone, which has no image token."""
    image_token_last(folder)
    edit(
        folder,
        "tokenizer.json",
        lambda tokenizer: tokenizer.update(
            added_tokens=[t for t in tokenizer["added_tokens"] if t["content"] != "<image>"]
        ),
    )
    remove_special(folder, "image_token")


def no_pad_token(folder: Path) -> None:
    edit(
        folder,
        "tokenizer.json",
        lambda tokenizer: tokenizer.update(
            added_tokens=[t for t in tokenizer["added_tokens"] if t["content"] != "<pad>"]
        ),
    )
    remove_special(folder, "pad_token")
    edit(folder, "generation_config.json", lambda config: config.pop("pad_token_id"))


def remove_special(folder: Path, name: str) -> None:
    def change(config: dict[str, Any]) -> None:
        config.pop(name, None)
        config.get("model_specific_special_tokens", {}).pop(name, None)

    edit(folder, "tokenizer_config.json", change)


def more_rows(folder: Path) -> None:
    """Give the vocabulary more rows than the tokenizer has tokens."""
    weights = weights_of(folder)
    for name in ("language_model.model.embed_tokens.weight", "language_model.lm_head.weight"):
        weights[name] = torch.cat([weights[name], weights[name][:1].repeat(64, 1)])
    save_weights(folder, weights)
    rows = VOCABULARY_ROWS + 64
    edit(folder, "config.json", lambda config: config["text_config"].update(vocab_size=rows))


def stale_vocabulary(folder: Path) -> None:
    """Add rows to the vocabulary without changing config.json."""
    more_rows(folder)
    edit(
        folder,
        "config.json",
        lambda config: config["text_config"].update(vocab_size=VOCABULARY_ROWS),
    )


def no_stop(folder: Path) -> None:
    edit(folder, "generation_config.json", lambda config: config.pop("eos_token_id"))


def no_generation_config(folder: Path) -> None:
    (folder / "generation_config.json").unlink()


def samples_by_default(folder: Path) -> None:
    edit(
        folder,
        "generation_config.json",
        lambda config: config.update(do_sample=True, temperature=0.9, top_p=0.6, max_length=50),
    )


ODDITIES: tuple[Callable[[Path], object], ...] = (
    old_names,
    new_names,
    in_shards,
    in_32_bits,
    as_published,
    older_layer_name,
    older_processor,
    wrong_image_tokens,
    no_strategy,
    no_crop,
    image_token_last,
    no_image_token,
    no_pad_token,
    more_rows,
    stale_vocabulary,
    no_stop,
    no_generation_config,
    samples_by_default,
)
