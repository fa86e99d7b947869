"""Checkpoints as they are published, and broken in every way a folder can be."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from transformers import VipLlavaConfig, VipLlavaForConditionalGeneration

from benchmarks.make_checkpoint import make
from tests.support.public_checkpoints import ODDITIES, as_published, edit, edit_config, weights_of
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.base import GenerationOptions
from vipllava_cli.engine.hardware.placement import LoadOptions
from vipllava_cli.engine.hub.checkpoints import BUNDLED, find_checkpoint
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.engine.local.loading import load
from vipllava_cli.engine.open import open_engine
from vipllava_cli.errors import ModelError
from vipllava_cli.images.square import pad_to_square

QUESTION = "what is in the red box?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the shipped model."""
    return shutil.copytree(BUNDLED["tiny"], tmp_path / "model")


def answer_of(model: str | Path) -> str:
    image = pad_to_square(open_sample("zoo-red-box"))
    engine = open_engine(str(model), device="cpu")
    prompt = engine.prompt(engine.view(image), QUESTION)
    return next(engine.answer([prompt], GenerationOptions(max_new_tokens=12))).text


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_oddity_of_published_checkpoints_changes_no_answer(
    folder: Path, oddity: Callable[[Path], object]
) -> None:
    oddity(folder)
    engine = open_engine(str(folder), device="cpu")
    image = pad_to_square(open_sample("farm"))  # its mark lies near the edge
    view = engine.view(image)
    prompts = [engine.prompt(view, question) for question in (QUESTION, "what is marked?")]
    assert [answer.text for answer in engine.answer(prompts)] == clean_answers()
    assert [answer.text for answer in engine.answer_batch(prompts)] == clean_answers()


@cache
def clean_answers() -> list[str]:
    engine = open_engine("tiny", device="cpu")
    view = engine.view(pad_to_square(open_sample("farm")))
    prompts = [engine.prompt(view, question) for question in (QUESTION, "what is marked?")]
    return [answer.text for answer in engine.answer(prompts)]


def test_a_made_checkpoint_is_one_of_the_hubs(tmp_path: Path) -> None:
    make("tiny", tmp_path / "made")
    loaded = load(find_checkpoint(str(tmp_path / "made")), LoadOptions(device="cpu"))
    config = loaded.model.config
    assert (config.text_config.vocab_size, config.image_token_id) == (32064, 32000)
    assert len(loaded.processor.tokenizer) == 32002
    make("tiny", tmp_path / "current", layout="current")
    assert answer_of(tmp_path / "made") == answer_of(tmp_path / "current") != ""


def test_layers_that_nobody_names_are_those_of_vip_llava(tmp_path: Path) -> None:
    tiny = json.loads((BUNDLED["tiny"] / "config.json").read_text())
    small = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 12}
    text, vision = tiny["text_config"], tiny["vision_config"] | small | {"num_attention_heads": 2}
    config = VipLlavaConfig(vision_config=vision, text_config=text, image_token_index=3)
    torch.manual_seed(1)
    VipLlavaForConditionalGeneration(config).save_pretrained(tmp_path / "said")
    for file in ("tokenizer.json", "tokenizer_config.json", "processor_config.json"):
        shutil.copy(BUNDLED["tiny"] / file, tmp_path / "said")
    unsaid = shutil.copytree(tmp_path / "said", tmp_path / "unsaid")
    edit(unsaid, "config.json", lambda config: config.pop("vision_feature_layer"))
    stale = shutil.copytree(tmp_path / "said", tmp_path / "stale")
    edit_config(stale, vision_feature_layer=-2)
    said = answer_of(tmp_path / "said")
    assert answer_of(unsaid) == answer_of(stale) == said
    for folder in (unsaid, stale):
        loaded = load(find_checkpoint(str(folder)), LoadOptions(device="cpu"))
        assert loaded.model.config.vision_feature_layer == [-2, -5, -8, -11, 6]


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


def head_of_noise(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"<html>not found</html>" * 100)


def no_layers(folder: Path) -> None:
    edit(folder, "config.json", lambda config: config.pop("vision_feature_layer"))


def other_tokenizer(folder: Path) -> None:
    edit_config(folder, image_token_index=7)


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
        (config_of_another_size, "18 mismatched weights"),
        (config_with_nonsense, "num_hidden_layers"),
        (missing_weights, "1 missing weights .*linear_1.bias"),
        (unexpected_weights, "1 unexpected weights"),
        (weights_cut_short, "incomplete"),
        (no_tokenizer, "has no tokenizer"),
        (head_of_noise, "model.safetensors is damaged"),
        (
            no_layers,
            "names no vision_feature_layer that fits: expected 5 of .* 8 layers, found none",
        ),
        (other_tokenizer, "token 7 to the model and 3 to its tokenizer"),
    ],
)
def test_a_broken_folder_is_one_line(folder: Path, harm: object, said: str) -> None:
    assert callable(harm)
    harm(folder)
    with pytest.raises(ModelError, match=said) as caught:
        open_engine(str(folder), device="cpu")
    assert "\n" not in str(caught.value)
