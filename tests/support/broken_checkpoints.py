"""Ways in which a checkpoint folder can be broken. Each function changes a folder in place."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from tests.support.public_checkpoints import as_published, edit, edit_config, weights_of


def missing_shard(folder: Path) -> None:
    as_published(folder)
    (folder / "model-00002-of-00003.safetensors").unlink()


def other_architecture(folder: Path) -> None:
    edit_config(folder, model_type="blip-2")


def pickle_only(folder: Path) -> None:
    torch.save(weights_of(folder), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def invalid_config_json(folder: Path) -> None:
    (folder / "config.json").write_text("{'model_type': ")


def config_without_vision(folder: Path) -> None:
    edit_config(folder, vision_config=None)


def config_of_another_size(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit_config(folder, text_config={**config["text_config"], "intermediate_size": 768})


def config_with_nonsense(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    edit_config(folder, text_config={**config["text_config"], "num_hidden_layers": "many"})


def missing_weights(folder: Path) -> None:
    weights = weights_of(folder)
    del weights["multi_modal_projector.linear_1.bias"]
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def unexpected_weights(folder: Path) -> None:
    weights = {**weights_of(folder), "language_model.model.extra": torch.zeros(3)}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def truncated_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def header_of_noise(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"<html>not found</html>" * 100)


def no_layers(folder: Path) -> None:
    edit(folder, "config.json", lambda config: config.pop("vision_feature_layer"))


def other_image_token(folder: Path) -> None:
    edit_config(folder, image_token_index=7)


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()
