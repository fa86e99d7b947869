"""What people type as a model's name, and the next step that the message names."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from vipllava_cli.engine.hub.checkpoints import find_checkpoint, hub_name
from vipllava_cli.engine.hub.names import canonical_name, suggest
from vipllava_cli.engine.hub.registry import BUNDLED, PUBLISHED
from vipllava_cli.errors import ModelError


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use an empty local cache, and an empty current folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def message(name: str) -> str:
    """Return the error of a name that cannot be used. It is one line."""
    with pytest.raises(ModelError) as caught:
        find_checkpoint(name)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("7B", "7b"),
        (" Tiny ", "tiny"),
        ("13b", "13b"),
        ("https://huggingface.co/llava-hf/vip-llava-7b-hf", "llava-hf/vip-llava-7b-hf"),
        ("huggingface.co/llava-hf/vip-llava-7b-hf/", "llava-hf/vip-llava-7b-hf"),
        ("https://hf.co/some.body/a_model", "some.body/a_model"),
        ("https://huggingface.co/some/model/tree/main", "some/model"),
        ("https://huggingface.co/some/model?library=transformers", "some/model"),
        ("https://huggingface.co/datasets/some/data", "https://huggingface.co/datasets/some/data"),
        ("Some/Model", "Some/Model"),
    ],
)
def test_other_spellings_of_a_name_are_accepted(typed: str, name: str) -> None:
    assert canonical_name(typed) == name


def test_a_folder_of_that_name_goes_first() -> None:
    Path("7B").mkdir()
    assert canonical_name("7B") == "7B"


def test_an_accepted_name_is_recorded_in_its_usual_spelling() -> None:
    assert find_checkpoint("TINY").name == "tiny"
    hub = hub_name("https://huggingface.co/llava-hf/vip-llava-7b-hf")
    assert hub == hub_name("llava-hf/vip-llava-7b-hf")


# Name -> words of the message. The words `use NAME` are then followed.
NEXT_STEPS = {
    # typos
    "tinny": "did you mean tiny?",
    "tny": "did you mean tiny?",
    "llava-7b": "did you mean 7b?",
    "7-b": "did you mean 7b?",
    "7 b": "did you mean 7b?",
    "13": "did you mean 13b?",
    "vip-llava-7b": "did you mean 7b?",
    "vip-llava-13b-hf": "did you mean 13b?",
    "ViP-LLaVA": "did you mean 7b?",
    "llava-hf/vip-llava-7b": "use llava-hf/vip-llava-7b-hf, or download",
    "llava-hf/vipllava-13b-hf": "use llava-hf/vip-llava-13b-hf, or download",
    # hosted models
    "gpt-4o": "runs on its maker's servers",
    "GPT-5": "runs on its maker's servers",
    "chatgpt-4o-latest": "runs on its maker's servers",
    "claude-3-5-sonnet-20241022": "runs on its maker's servers",
    "gemini-2.5-pro": "runs on its maker's servers",
    "o3": "runs on its maker's servers",
    "openai/gpt-4o": "runs on its maker's servers",
    "google/gemini-pro-vision": "runs on its maker's servers",
    # other families
    "llava-hf/llava-1.5-7b-hf": "download it with `vipllava models pull llava-hf/llava-1.5-7b-hf`",
    "Qwen/Qwen2.5-VL-7B-Instruct": "download it with `vipllava models pull Qwen/Qwen2.5-VL-7B-Ins",
    "meta-llama/Llama-3.2-11B-Vision-Instruct": "download it with `vipllava models pull meta-llama",
    "OpenGVLab/InternVL3-8B": "needs code of the checkpoint: use OpenGVLab/InternVL3-8B-hf",
    "OpenGVLab/InternVL3-8B-hf": "download it with `vipllava models pull OpenGVLab/InternVL3-8B-hf`",
    "llava": "is no name on the hub, because it has no owner: use llava-hf/llava-1.5-7b-hf",
    "llava-v1.6": "use llava-hf/llava-v1.6-mistral-7b-hf",
    "qwen2-vl": "use Qwen/Qwen2-VL-2B-Instruct",
    "Qwen3-VL": "use Qwen/Qwen3-VL-2B-Instruct",
    "gemma3": "use google/gemma-3-4b-it",
    "llama3.2-vision": "use meta-llama/Llama-3.2-11B-Vision-Instruct",
    "allenai/Molmo-7B-D-0924": "another architecture (Molmo): expected a checkpoint of ViP-LLaVA,",
    "florence-2": "another architecture (Florence)",
    "mucai/vip-llava-7b": "original format of LLaVA",
    "mucai/ViP-LLaVA-13b": "original format of LLaVA",
    # addresses
    "https://huggingface.co/llava-hf/vip-llava-7b-hf/tree/v1": "--revision v1",
    "https://huggingface.co/datasets/some/data": "not the page of a model on the hub",
    "https://example.com/model": "not the page of a model on the hub",
    "http://localhost:11434": "not the page of a model on the hub",
    "huggingface.co": "not the page of a model on the hub",
    # Ollama
    "llava:7b": "a name of Ollama",
    "llama3.2-vision:11b": "a name of Ollama",
    "ollama/llava": "a name of Ollama",
    # paths
    "./model": "there is no folder ./model",
    "~/model": "there is no folder ~/model",
    "/a/b/c": "there is no folder /a/b/c",
    # all others
    "sdxl": "there is no model 'sdxl': expected tiny, 7b, 13b",
    "": "there is no model ''",
    "somebody/something": "download it with `vipllava models pull somebody/something`",
    "me/my-vip-llava-tuned-on-qwen-data": "download it with",
}


@pytest.mark.parametrize(("name", "words"), NEXT_STEPS.items())
def test_a_name_gets_its_own_next_step(name: str, words: str) -> None:
    assert words in message(name)


@pytest.mark.parametrize("name", NEXT_STEPS)
def test_the_advice_leads_to_the_next_step(name: str) -> None:
    """Each name after `use` or `mean` is a model, or one that the next message says how to get."""
    text = message(name)
    advised = re.findall(r"(?:use|mean|or) ((?:tiny|7b|13b|[\w.-]+/[\w.-]+))(?![\w/])", text)
    pulled = re.findall(r"`vipllava models pull (\S+)`", text)
    expected = re.findall(r"expected tiny, 7b, 13b, a hub name", text)
    assert advised or pulled or expected
    for better in {*advised, *pulled}:
        if better in BUNDLED:
            find_checkpoint(better)
        else:
            assert f"`vipllava models pull {better}`" in message(better)


def test_every_published_name_is_suggested_for_itself() -> None:
    for name, published in PUBLISHED.items():
        assert suggest(name) == name
        assert suggest(published.repository) in {name, published.repository}


# --- folders and files -----------------------------------------------------------------------


def lora(folder: Path) -> None:
    (folder / "adapter_config.json").write_text("{}")
    (folder / "adapter_model.safetensors").touch()


def gguf(folder: Path) -> None:
    (folder / "model-Q4.gguf").touch()


def pickled(folder: Path) -> None:
    (folder / "model.pth").touch()


def weights_alone(folder: Path) -> None:
    (folder / "model.safetensors").touch()


def empty(folder: Path) -> None:
    pass


def nested(folder: Path) -> None:
    shutil.copytree(BUNDLED["tiny"], folder / "inner")


def cache_of_the_hub(folder: Path) -> None:
    shutil.copytree(BUNDLED["tiny"], folder / "snapshots" / "0123abc")


def text_model(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2"}))


def unknown_architecture(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"model_type": "novel"}))


def own_code(folder: Path) -> None:
    config = {"model_type": "internvl_chat", "auto_map": {"AutoModel": "modeling.Model"}}
    (folder / "config.json").write_text(json.dumps(config))


def original_format(folder: Path) -> None:
    config = {"model_type": "llava", "mm_vision_tower": "openai/clip-vit-large-patch14-336"}
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("fill", "words"),
    [
        (lora, "holds only a LoRA adapter: merge it into its model"),
        (gguf, "llama.cpp (GGUF), which are not loaded: use 7b or 13b"),
        (pickled, "pickle weights, which can run code"),
        (weights_alone, "holds weights, but config.json is missing: put all files"),
        (empty, "config.json is missing from"),
        (nested, "/model/inner in it is one: use that"),
        (cache_of_the_hub, "/model/snapshots/0123abc in it is one: use that"),
        (text_model, "'qwen2', which reads no images: expected a checkpoint of ViP-LLaVA, LLaVA"),
        (unknown_architecture, "'novel': expected a checkpoint of ViP-LLaVA, LLaVA-1.5"),
        (own_code, "'internvl_chat' and needs code of the checkpoint (auto_map), which is never"),
        (original_format, "original format of LLaVA, which is not loaded: use 7b"),
    ],
)
def test_a_folder_without_a_model_says_what_it_holds(
    tmp_path: Path, fill: Callable[[Path], None], words: str
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    fill(folder)
    text = message(str(folder))
    assert words in text
    for inner in re.findall(r"but (\S+) in it is one", text):
        assert find_checkpoint(inner).revision == "local"


def test_a_file_is_not_a_model_but_its_folder_may_be(tmp_path: Path) -> None:
    folder = shutil.copytree(BUNDLED["tiny"], tmp_path / "model")
    text = message(str(folder / "model.safetensors"))
    assert text.endswith(f"use its folder, {folder}")
    find_checkpoint(text.rpartition(", ")[2])
    (tmp_path / "model.gguf").touch()
    assert "llama.cpp (GGUF)" in message(str(tmp_path / "model.gguf"))
    (tmp_path / "image.jpg").touch()
    assert "is a file, and a model is a folder or a name" in message(str(tmp_path / "image.jpg"))
    Path("sub").mkdir()
    Path("sub/x.pth").touch()
    assert "pickle" in message("sub/x.pth")  # a relative path looks like a hub name
