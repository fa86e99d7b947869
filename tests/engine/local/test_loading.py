"""Loading: published and broken checkpoints, and the placement by which weights are loaded."""

import json
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from benchmarks.make_checkpoint import make
from tests.conftest import SAMPLES, Run
from tests.support import broken_checkpoints as broken
from tests.support.machines import spec_of
from tests.support.public_checkpoints import ODDITIES
from tests.support.sample_scenes import open_sample
from vipllava_cli.engine.hardware.load_options import LoadOptions
from vipllava_cli.engine.hub.checkpoints import find_checkpoint
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.local.loading import load
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import ModelError
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model

ZOO = SAMPLES / "zoo-red-box.png"
QUESTION = "what is in the red box?"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a copy of the shipped model."""
    return shutil.copytree(BUNDLED["tiny"], tmp_path / "model")


# --- published checkpoints -------------------------------------------------------------------


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_oddity_of_published_checkpoints_changes_no_answer(
    folder: Path, oddity: Callable[[Path], object]
) -> None:
    oddity(folder)
    engine = open_engine(str(folder), device="cpu")
    view = engine.view(pad_to_square(open_sample("farm")))  # its mark lies near the edge
    prompts = [engine.prompt(view, question) for question in (QUESTION, "what is marked?")]
    assert [answer.text for answer in engine.answer(prompts)] == unchanged_answers()
    assert [answer.text for answer in engine.answer_batch(prompts)] == unchanged_answers()


@cache
def unchanged_answers() -> list[str]:
    """Return the answers of the shipped model."""
    engine = open_engine("tiny", device="cpu")
    view = engine.view(pad_to_square(open_sample("farm")))
    prompts = [engine.prompt(view, question) for question in (QUESTION, "what is marked?")]
    return [answer.text for answer in engine.answer(prompts)]


def test_a_made_checkpoint_has_the_layout_of_the_hub(tmp_path: Path) -> None:
    make("tiny", tmp_path / "made")
    loaded = load(find_checkpoint(str(tmp_path / "made")), LoadOptions(device="cpu"))
    config = loaded.model.config
    assert (config.text_config.vocab_size, config.image_token_id) == (32064, 32000)
    assert len(loaded.processor.tokenizer) == 32002
    make("tiny", tmp_path / "current", layout="current")
    assert answer_of(tmp_path / "made") == answer_of(tmp_path / "current") != ""


def answer_of(model: str | Path) -> str:
    """Return the answer of a model about a sample image, cut at 12 tokens."""
    image = pad_to_square(open_sample("zoo-red-box"))
    engine = open_engine(str(model), device="cpu")
    prompt = engine.prompt(engine.view(image), QUESTION)
    return next(engine.answer([prompt], GenerationOptions(max_new_tokens=12))).text


# --- broken checkpoints ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (broken.missing_shard, "model-00002-of-00003.safetensors is missing"),
        (broken.other_architecture, "model type 'blip-2': expected a checkpoint of ViP-LLaVA"),
        (broken.pickle_only, "pickle"),
        (broken.no_config, "config.json is missing"),
        (broken.invalid_config_json, "JSON"),
        (broken.config_without_vision, "lacks vision_config"),
        (broken.config_of_another_size, "18 mismatched weights"),
        (broken.config_with_nonsense, "num_hidden_layers"),
        (broken.missing_weights, "1 missing weights .*linear_1.bias"),
        (broken.unexpected_weights, "1 unexpected weights"),
        (broken.truncated_weights, "incomplete"),
        (broken.no_tokenizer, "has no tokenizer"),
        (broken.header_of_noise, "model.safetensors is damaged"),
        (
            broken.no_layers,
            "has no vision_feature_layer that fits the weights: expected 5 of .* 8 layers, found none",
        ),
        (broken.other_image_token, "token 7 to the model and 3 to its tokenizer"),
    ],
)
def test_a_broken_folder_is_one_line(
    folder: Path, break_it: Callable[[Path], None], message: str
) -> None:
    break_it(folder)
    with pytest.raises(ModelError, match=message) as caught:
        open_engine(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


# --- placement -------------------------------------------------------------------------------


def test_a_model_is_loaded_by_the_plan(run: Run) -> None:
    answered = run("ask", ZOO, QUESTION, "--model", "tiny", "--device", "cpu", "-v")
    assert "27.2 MiB on the CPU" in answered.stderr
    few = run(
        "ask", ZOO, QUESTION, "--model", "tiny", "--device", "cpu", "--max-memory", "cpu=1MiB"
    )
    assert (few.code, few.stdout) == (4, "")
    assert "the model does not fit" in few.stderr


def test_layers_on_the_disk_give_the_same_answer(
    run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    flags = [ZOO, QUESTION, "--model", "tiny", "--json", "--device", "cpu", "--max-memory"]
    on_disk = run("ask", *flags, "cpu=34MiB")
    assert "stay on the disk" in on_disk.stderr or "read from the disk" in on_disk.stderr
    assert "meta device" not in caplog.text  # a warning of accelerate
    in_memory = json.loads(run("ask", *flags, "cpu=1GiB").stdout)
    partly = json.loads(on_disk.stdout)
    assert in_memory["answer"] == partly["answer"] == "a penguin"
    assert in_memory["answer_tokens"] == partly["answer_tokens"]


@pytest.mark.parametrize("attention", ["auto", "sdpa", "eager"])
def test_every_attention_of_a_cpu_gives_the_same_answer(run: Run, attention: str) -> None:
    flags = ["--model", "tiny", "--attention", attention]
    answered = run("ask", ZOO, QUESTION, "what kind of thing is in the red box?", *flags)
    assert answered.stdout == "a penguin\nan animal\n"


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc/self/maps")
def test_weights_in_their_published_type_stay_in_the_file() -> None:
    """The system can take back mapped memory, and nobody spends time on a copy."""
    load_options = LoadOptions(device="cpu", dtype=spec_of("tiny").half_dtype)
    model = load(find_checkpoint("tiny"), load_options).model
    maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    files = [
        range(*(int(end, 16) for end in line[0].split("-")))
        for line in maps
        if line[-1] == str(BUNDLED["tiny"] / "model.safetensors")
    ]
    for name, weight in model.named_parameters():
        assert any(weight.data_ptr() in file for file in files), name


def test_16_bits_on_a_cpu_give_the_same_answer() -> None:
    image = pad_to_square(open_sample("zoo-red-box"))
    engine = open_engine("tiny", device="cpu", dtype="bf16")
    assert engine.info.dtype == "bf16"
    [answer] = engine.answer([engine.prompt(engine.view(image), QUESTION)])
    assert answer.text == "a penguin"
