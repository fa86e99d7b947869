"""Checkpoints that attack: one line and exit code 4, before memory is taken."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tokenizers import Tokenizer

from tests.conftest import SAMPLES
from tests.support import warm
from tests.support.budget import (
    Measured,
    assert_in_budget,
    assert_refused,
    read_tree,
    run_measured,
)
from tests.support.hostile_checkpoints import KIND_ATTACKS, REFUSED, fields, fill, index
from vipllava_cli.engine.hub.checkpoints import find_checkpoint
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.local.chat_renderer import ChatRenderer
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import ExitCode, ModelError

QUESTION = "what is in the red box?"
ASK = ("ask", SAMPLES / "zoo-red-box.png", QUESTION, "--model", "model")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the shipped model, in the working folder of the command."""
    return shutil.copytree(BUNDLED["tiny"], tmp_path / "work" / "model")


def run_in(folder: Path, *arguments: str | Path, server: str = warm.LIGHT) -> Measured:
    """Run the command beside the model, with a home and a cache of its own.

    Asserts that it changes no file outside of its working folder, its cache and its state.
    """
    work, root = folder.parent, folder.parent.parent
    own = [root / "home", root / "hf", root / "cache", root / "state"]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(root / "hf"),
        "HOME": str(root),
        "VIPLLAVA_HOME": str(root / "home"),
        "XDG_CACHE_HOME": str(root / "cache"),
        "XDG_STATE_HOME": str(root / "state"),
    }
    package = read_tree(BUNDLED["tiny"])
    before = read_tree(root, own), read_tree(work)
    result = run_measured(*arguments, folder=work, environment=environment, server=server)
    assert (read_tree(root, own), read_tree(work)) == before
    assert read_tree(BUNDLED["tiny"]) == package
    return result


# --- every attack is refused by the check that every command calls ---------------------------


@pytest.mark.parametrize("attack", [*REFUSED, *KIND_ATTACKS])
def test_a_hostile_checkpoint_is_refused(folder: Path, attack: str) -> None:
    {**REFUSED, **KIND_ATTACKS}[attack](folder)
    with pytest.raises(ModelError) as caught:
        find_checkpoint(str(folder))
    message = str(caught.value)
    assert len(message) < 600
    assert str(folder) in message


# --- the commands, in processes with a budget ------------------------------------------------

COMMANDS = {
    "ask": ASK,
    "batch": ("batch", SAMPLES, "--question", QUESTION, "--model", "model", "--out", "out.jsonl"),
    "chat": ("chat", SAMPLES / "zoo-red-box.png", "--model", "model"),
    "plan": ("plan", "model"),
    "info": ("models", "info", "model"),
    "eval": ("eval", "clipart", "--model", "model"),
}
# One attack of each kind: sizes, kinds of files, patterns, headers.
_EACH = (
    "nested config",
    "num_hidden_layers 1000000",
    "pipe as config.json",
    "catastrophic pattern",
    "absurd header length",
)


@pytest.mark.parametrize(
    ("command", "attack"),
    [(command, attack) for command in COMMANDS for attack in _EACH]
    + [
        ("ask", attack)
        for attack in ("device as tokenizer.json", "50 MB of header", "growing text")
    ],
)
def test_every_command_refuses_in_its_budget(folder: Path, command: str, attack: str) -> None:
    {**REFUSED, **KIND_ATTACKS}[attack](folder)
    assert_refused(run_in(folder, *COMMANDS[command]), ExitCode.MODEL, max_lines=1)


# --- what loads, and is found later ----------------------------------------------------------


@pytest.mark.model
@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("choices", [(), ("--choices", "a penguin,a car")])
def test_weights_that_are_no_numbers_are_an_error(
    folder: Path, number: float, choices: tuple[str, ...]
) -> None:
    fill("language_model.model.norm.weight", number)(folder)
    result = run_in(folder, *ASK, *choices, server=warm.WHOLE)
    assert_refused(result, ExitCode.GENERATION)
    assert "weights are damaged" in result.stderr
    assert result.stdout == ""


LOOP = "{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}"


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        (LOOP, "more than 1 seconds"),
        ("{{ 'a' * 10**10 }}", "too much memory"),
        ("{{ 'a'.ljust(10**11) }}", "too much memory"),
        ("{{ 'a' * 10**7 }}", "10000000 characters"),
        ("{{ messages[0].content.x.y }}", "no attribute 'x'"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{% for", "end of template"),
    ],
)
def test_a_hostile_chat_template_is_refused(
    template: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vipllava_cli.engine.local.chat_renderer.RENDER_SECONDS", 1.0)
    messages = [{"role": "user", "content": [{"type": "text", "text": QUESTION}]}]
    with pytest.raises(ModelError, match=reason):
        ChatRenderer(template, {"bos_token": "<s>"}, "model").render(messages)


@pytest.mark.model
def test_a_chat_template_without_end_ends_in_its_budget(folder: Path) -> None:
    (folder / "chat_template.jinja").write_text(LOOP)
    result = run_in(folder, *ASK, "--template", "chat", server=warm.WHOLE)
    assert_refused(result, ExitCode.MODEL)
    assert "chat template" in result.stderr
    assert "more than 10 seconds" in result.stderr


@pytest.mark.model
def test_only_token_ids_of_the_generation_config_count(folder: Path) -> None:
    harmful: dict[str, Any] = {
        "max_length": 2,
        "min_new_tokens": 60,
        "no_repeat_ngram_size": 1,
        "num_beams": 1_000_000,
        "repetition_penalty": 1e-9,
        "suppress_tokens": [5, 6, 7],
    }
    fields("generation_config.json", **harmful)(folder)
    result = run_in(folder, *ASK, server=warm.WHOLE)
    assert (result.code, result.stdout) == (ExitCode.DONE, "a penguin\n")
    assert_in_budget(result)
    [note] = [line for line in result.stderr.splitlines() if "generation_config.json" in line]
    assert note.startswith("note: ")
    assert "max_length, min_new_tokens, no_repeat_ngram_size" in note
    assert "and 1 more" in note


def fill_vocabulary(folder: Path) -> None:
    """Use up all embeddings, so that a new token of the tokenizer has none."""
    path = folder / "tokenizer.json"
    tokenizer = Tokenizer.from_file(str(path))
    rows = json.loads((folder / "config.json").read_text())["text_config"]["vocab_size"]
    tokenizer.add_tokens([f"<{number}>" for number in range(tokenizer.get_vocab_size(), rows)])
    tokenizer.save(str(path))


@pytest.mark.model
def test_special_tokens_without_an_embedding_are_not_used(folder: Path) -> None:
    """-1 stands for no token, and a new token of the tokenizer is beyond the vocabulary."""
    fill_vocabulary(folder)
    fields("generation_config.json", eos_token_id=[-1, 2], pad_token_id=-1)(folder)
    fields("tokenizer_config.json", pad_token="[PADDING]")(folder)
    image = Image.open(SAMPLES / "zoo-red-box.png").convert("RGB")
    questions = (QUESTION, "what?", "what kind of thing is in the red box?")
    answers = []
    for engine in (open_engine(str(folder)), open_engine("tiny")):
        view = engine.view(image)
        prompts = [engine.prompt(view, each) for each in questions]
        choices = GenerationOptions(choices=("a penguin", "a red car", "no"))
        batch = engine.answer_batch(prompts)
        scored = engine.answer_each(prompts, [choices] * len(prompts))
        rows = [[each.log_likelihood for each in answer.choices] for answer in scored]
        answers.append(([each.text for each in batch], rows))
    assert answers[0] == answers[1]


@pytest.mark.model
def test_a_prompt_with_a_token_without_an_embedding_is_refused(folder: Path) -> None:
    fill_vocabulary(folder)
    fields("tokenizer_config.json", bos_token="[START]", extra_special_tokens=["penguin!"])(folder)
    result = run_in(folder, "ask", SAMPLES / "zoo-red-box.png", "penguin!", "--model", "model")
    assert_refused(result, ExitCode.MODEL)
    assert "embeddings" in result.stderr


@pytest.mark.model
def test_a_model_without_an_end_is_refused(folder: Path) -> None:
    fill_vocabulary(folder)
    fields("generation_config.json", eos_token_id=-1)(folder)
    fields("tokenizer_config.json", eos_token="[END]")(folder)
    result = run_in(folder, *ASK)
    assert_refused(result, ExitCode.MODEL)
    assert "no end-of-sequence token" in result.stderr


def test_the_shipped_generation_config_needs_no_note() -> None:
    from vipllava_cli.engine.open import ignored_settings

    assert ignored_settings("tiny") == []


def test_a_single_file_goes_before_an_index(folder: Path) -> None:
    """The library loads the single file, so that file is checked."""
    index({"a": "missing.safetensors"}, keep=True)(folder)
    find_checkpoint(str(folder))
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=r"model.safetensors is damaged"):
        find_checkpoint(str(folder))


def test_a_folder_of_the_hubs_cache_may_have_links(tmp_path: Path) -> None:
    snapshot = tmp_path / "models--a--b" / "snapshots" / ("0" * 40)
    blobs = tmp_path / "models--a--b" / "blobs"
    shutil.copytree(BUNDLED["tiny"], blobs)
    snapshot.mkdir(parents=True)
    for path in blobs.iterdir():
        (snapshot / path.name).symlink_to(Path("../../blobs") / path.name)
    assert find_checkpoint(str(snapshot)).folder == snapshot
    assert json.loads((snapshot / "config.json").read_text())["model_type"] == "vipllava"
