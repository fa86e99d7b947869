"""Training: flags, resuming, several processes, and starting from a trained model."""

import itertools
import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import ROOT, SAMPLES
from tests.support import warm
from tests.support.sample_scenes import open_sample
from tests.support.small_training import shallow_config, short_recipe
from training import stage_training
from training import train as training
from training.recipe import FROM_CHECKPOINT, FROM_SCRATCH, STAGES, Recipe
from training.train import make_parser, make_recipe, train
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.open import open_engine
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model


def recipe_of(*flags: str) -> Recipe:
    return make_recipe(make_parser().parse_args(["--out", "folder", *flags]))


def test_without_flags_the_recipe_is_the_default() -> None:
    assert recipe_of() == Recipe()


def test_flags_replace_hyperparameters_of_all_stages() -> None:
    recipe = recipe_of("--seed", "4", "--save-every", "50", "--batch-size", "8")
    assert (recipe.seed, recipe.save_every) == (4, 50)
    assert recipe.stages == tuple(replace(stage, batch_size=8) for stage in STAGES)


def test_flags_beside_stage_replace_hyperparameters_of_that_stage() -> None:
    recipe = recipe_of("--stage", "joint", "--learning-rate", "2e-3", "--full-images-every", "3")
    changed = replace(Recipe().stage("joint"), learning_rate=2e-3, full_images_every=3)
    assert recipe.stage("joint") == changed
    assert recipe.stages[:4] == STAGES[:4]


def test_the_help_lists_every_hyperparameter(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        make_parser().parse_args(["--help"])
    assert stopped.value.code == 0
    help = capsys.readouterr().out
    for flag in ("learning-rate", "batch-size", "save-every", "seed", "out", "begin-with", "steps"):
        assert f"--{flag} " in help
    for stage in STAGES:
        assert f"  {stage.name}: steps {stage.steps}, batch_size {stage.batch_size}" in help


def test_a_stage_that_the_start_leaves_out_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["train", "--out", "folder", "--stage", "patch_heads"])
    with pytest.raises(SystemExit) as stopped:
        training.main()
    assert stopped.value.code == 2
    assert "stage patch_heads needs --begin-with" in capsys.readouterr().err


def test_the_learning_rate_warms_up_stays_and_decays() -> None:
    stage = replace(STAGES[0], steps=100, warmup_steps=10, decay_fraction=0.5)
    assert stage.learning_rate_factor(0) == pytest.approx(0.1)
    assert stage.learning_rate_factor(30) == 1
    assert stage.learning_rate_factor(75) == pytest.approx(0.5)


def test_no_two_stages_and_seeds_share_scenes() -> None:
    firsts = [Recipe(seed=seed).first_scene(stage) for seed in range(3) for stage in STAGES]
    distances = [second - first for first, second in itertools.pairwise(firsts)]
    assert firsts[0] == 0
    assert set(distances) == {10_000_000}
    assert {*FROM_SCRATCH, *FROM_CHECKPOINT} == {stage.name for stage in STAGES}


def interrupt_second_call(step: Callable[..., None]) -> Callable[..., None]:
    """Interrupt a stage at its last step, after it saved the state of the first."""
    calls = itertools.count(1)

    def interrupting(*arguments: Any) -> None:
        if next(calls) == 2:
            raise KeyboardInterrupt
        step(*arguments)

    return interrupting


@pytest.mark.slow
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "make_config", shallow_config)
    full, stopped = tmp_path / "full", tmp_path / "stopped"
    assert "naming" in train(short_recipe(), full, workers=0)
    for only in ("vision_tower", None):  # the tower on its own, then the decoder and the rest
        with monkeypatch.context() as patch:
            step = interrupt_second_call(stage_training._step)
            patch.setattr(stage_training, "_step", step)
            with pytest.raises(KeyboardInterrupt):
                train(short_recipe(), stopped, workers=0, only=only)
    assert all((stopped / name / "state").is_dir() for name in ("vision_tower", "decoder"))
    train(short_recipe(), stopped, workers=0)
    first, second = (load_file(folder / "model.safetensors") for folder in (full, stopped))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)

    image = pad_to_square(open_sample("garden"))
    engine = open_engine(str(stopped), device="cpu")
    prompt = engine.prompt(engine.view(image), "what is marked?")
    assert next(engine.answer([prompt])).answer_tokens > 0


@pytest.mark.slow
def test_training_can_begin_with_a_trained_model(tmp_path: Path) -> None:
    recipe = short_recipe(learning_rate=1e-6)
    train(recipe, tmp_path, workers=0, begin_with=BUNDLED["tiny"])
    engine = open_engine(str(tmp_path), device="cpu")
    view = engine.view(pad_to_square(Image.open(SAMPLES / "zoo-red-box.png").convert("RGB")))
    [answer] = engine.answer([engine.prompt(view, "what is in the red box?")])
    assert answer.text == "a penguin"


@pytest.mark.slow
def test_processes_that_share_batches_keep_the_same_weights(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    shared["OMP_NUM_THREADS"] = "1"
    processes = []
    for rank in "01":
        variables = shared | {"RANK": rank, "LOCAL_RANK": rank}
        with (tmp_path / rank).open("w") as output:
            process = warm.start(
                "-m", "tests.support.trainer", str(tmp_path / "stage"),
                env=os.environ | variables, folder=ROOT, streams=(output.fileno(),) * 3,
            )  # fmt: skip
        processes.append(process)
    assert [process.wait() for process in processes] == [0, 0]
    first, second = ((tmp_path / rank).read_text() for rank in "01")
    weights = [re.findall("^weights .*", output, re.MULTILINE) for output in (first, second)]
    assert len(weights[0]) == 1
    assert weights[0] == weights[1]  # although each saw other scenes
    # The processes found each other: only the main one shows progress.
    assert "vision_tower 2/2" in first
    assert "vision_tower" not in second
