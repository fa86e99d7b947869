"""Checkpoints as they are published, and broken in every way a folder can be."""

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.samples import open_sample
from vipllava_cli.errors import ModelError
from vipllava_cli.pictures import square
from vipllava_cli.runtime import open_engine
from vipllava_cli.runtime.checkpoints import BUNDLED, find_checkpoint
from vipllava_cli.runtime.published import PUBLISHED

QUESTION = "what is in the red box?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model."""
    return shutil.copytree(BUNDLED["tiny"], tmp_path / "model")


def weights_of(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def as_published(folder: Path) -> Path:
    """Rewrite in the hub's layout: the class's older parameter names, float16, shards, and the
    files of an older processor, which do not say how many tokens a picture takes.
    """
    weights = weights_of(folder)
    renamed = {
        re.sub(r"^vision_tower\.(?!vision_model)", "vision_tower.vision_model.", name): value
        for name, value in weights.items()
    }
    assert all(
        name.startswith(
            (
                "language_model.model.",
                "language_model.lm_head.",
                "vision_tower.",
                "multi_modal_projector.",
            )
        )
        for name in renamed
    )
    names = sorted(renamed)
    shards = {f"model-0000{i + 1}-of-00003.safetensors": names[i::3] for i in range(3)}
    for file, inside in shards.items():
        save_file({n: renamed[n].half() for n in inside}, folder / file, {"format": "pt"})
    (folder / "model.safetensors").unlink()
    weight_map = {name: file for file, inside in shards.items() for name in inside}
    index = {"metadata": {"total_size": 0}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    processor = json.loads((folder / "processor_config.json").read_text())
    images = {**processor["image_processor"], "processor_class": "LlavaProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    (folder / "processor_config.json").write_text(json.dumps({"processor_class": "LlavaProcessor"}))
    return folder


def answer_of(model: str | Path) -> str:
    picture = square(open_sample("zoo-red-box"))
    engine = open_engine(str(model), device="cpu")
    return next(engine.answer([engine.prompt(engine.view(picture), QUESTION)])).text


def test_the_hubs_layout_gives_the_same_answer(folder: Path) -> None:
    assert answer_of(as_published(folder)) == answer_of("tiny") == "a penguin"


def test_a_wrong_count_of_picture_tokens_is_repaired(folder: Path) -> None:
    path = folder / "processor_config.json"
    processor = json.loads(path.read_text())
    path.write_text(json.dumps({**processor, "patch_size": 7, "num_additional_image_tokens": 0}))
    assert answer_of(folder) == "a penguin"


def test_a_hub_name_is_found_in_the_hubs_cache(folder: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    root = cache / "models--llava-hf--vip-llava-7b-hf"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text("0123abc")
    shutil.copytree(folder, root / "snapshots" / "0123abc")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
        found = find_checkpoint("7b")
    assert (found.name, found.revision) == ("7b", "0123abc")


@pytest.mark.parametrize("name", [*PUBLISHED, "somebody/something"])
def test_a_model_that_was_never_fetched_names_the_command(name: str, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        with pytest.raises(ModelError, match=r"vipllava models pull "):
            find_checkpoint(name)


@pytest.mark.parametrize("name", ["gpt", "", "./nothing", "a/b/c", "../x/y", "a b/c", "é/ü"])
def test_an_unknown_name_is_one_line(name: str) -> None:
    with pytest.raises(ModelError) as caught:
        find_checkpoint(name)
    assert "\n" not in str(caught.value)


def missing_shard(folder: Path) -> None:
    as_published(folder)
    (folder / "model-00002-of-00003.safetensors").unlink()


def other_architecture(folder: Path) -> None:
    edit_config(folder, model_type="llava")


def pickle_only(folder: Path) -> None:
    torch.save(weights_of(folder), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def no_config(folder: Path) -> None:
    (folder / "config.json").unlink()


def config_that_is_no_json(folder: Path) -> None:
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


def weights_cut_short(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


def no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (missing_shard, "model-00002-of-00003.safetensors is missing"),
        (other_architecture, "llava model: expected a vipllava"),
        (pickle_only, "pickle"),
        (no_config, "config.json is missing"),
        (config_that_is_no_json, "JSON"),
        (config_without_vision, "lacks vision_config"),
        (config_of_another_size, "12 mismatched weights"),
        (config_with_nonsense, "num_hidden_layers"),
        (missing_weights, "1 missing weights .*linear_1.bias"),
        (unexpected_weights, "1 unexpected weights"),
        (weights_cut_short, "incomplete"),
        (no_tokenizer, "has no tokenizer"),
    ],
)
def test_a_broken_folder_is_one_line(folder: Path, harm: object, said: str) -> None:
    assert callable(harm)
    harm(folder)
    with pytest.raises(ModelError, match=said) as caught:
        open_engine(str(folder), device="cpu")
    assert "\n" not in str(caught.value)
