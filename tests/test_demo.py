"""The demo model: right about scenes that it never saw, and trained by what is here."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import SAMPLES, Run
from vipllava_cli.colors import MODEL_COLORS
from vipllava_cli.demo import train as training
from vipllava_cli.demo.conversations import make_conversation
from vipllava_cli.demo.labels import IGNORE, TARGETS, patch_labels
from vipllava_cli.demo.learner import Learner, Tally, normalized
from vipllava_cli.demo.samples import SAMPLE_SCENES, sample_scene
from vipllava_cli.demo.scenes import HELD_OUT, TRAINING, make_scene, mark_scene, scene_rng
from vipllava_cli.demo.stream import Batches, conversation_tokens, load
from vipllava_cli.demo.things import THINGS, sprites
from vipllava_cli.demo.train import Recipe, train
from vipllava_cli.drawing import draw
from vipllava_cli.pictures import square
from vipllava_cli.prompts import TEMPLATES, place_phrase, render
from vipllava_cli.runtime import open_engine
from vipllava_cli.runtime.checkpoints import BUNDLED
from vipllava_cli.runtime.local import LocalEngine

# Every thing of a scene, marked in turn. Scenes and shapes were chosen because the shipped weights are
# right on them: they guard the way to an answer; how often it is right is measured below.
POINTED = [
    (scene, thing, shape)
    for scene, shape in (
        ("garden", "box"),
        ("farm", "box"),
        ("farm", "ellipse"),
        ("garden", "arrow"),
        ("street", "point"),
    )
    for thing in SAMPLE_SCENES[scene].things
]

# What the shipped weights reach, as their card says, less what a hundred scenes may differ by.
# The weights may only get better: with better ones this goes up.
HELD_OUT_FLOOR = 0.9


def flag_for(scene: str, thing: str, shape: str) -> list[str]:
    placements = sample_scene(scene).scene.placements
    left, top, right, bottom = next(p.box for p in placements if p.thing.name == thing)
    x, y = (left + right) / 2, (top + bottom) / 2
    values = {
        "box": (left - 5, top - 5, right + 5, bottom + 5),
        "ellipse": (left - 15, top - 15, right + 15, bottom + 15),
        "arrow": (x + 100, y + 90, x, y),
        "point": (x, y),
    }[shape]
    return [f"--{shape}", "red:" + ",".join(f"{value:g}" for value in values)]


@pytest.mark.parametrize(("scene", "thing", "shape"), POINTED)
def test_the_mark_decides_what_is_named(run: Run, scene: str, thing: str, shape: str) -> None:
    result = run("ask", SAMPLES / f"{scene}.png", "what is {1}?", *flag_for(scene, thing, shape))
    assert result.stdout.strip().split()[-1] == thing


@pytest.mark.parametrize("name", SAMPLE_SCENES)
def test_the_sample_pictures_are_what_the_code_makes(name: str) -> None:
    marked = sample_scene(name)
    assert len(marked.scene.placements) == len(SAMPLE_SCENES[name].things)
    with Image.open(SAMPLES / f"{name}.png") as picture:
        assert picture.tobytes() == marked.picture.tobytes()


@pytest.fixture(scope="module")
def engine() -> LocalEngine:
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, LocalEngine)
    return engine


def test_answers_about_new_scenes_are_right_as_often_as_the_card_says(engine: LocalEngine) -> None:
    right = asked = 0
    for number in range(150):
        rng = scene_rng(HELD_OUT, number)
        marked = mark_scene(rng, make_scene(rng))
        questions = [f"What is {place_phrase(mark)}?" for mark in marked.marks]
        view = engine.view(square(marked.picture))
        answers = engine.answer([engine.prompt(view, question) for question in questions])
        for answer, target in zip(answers, marked.targets, strict=True):
            right += answer.text == marked.scene.placements[target].thing.phrase
            asked += 1
    assert asked > 150
    assert right / asked >= HELD_OUT_FLOOR


def test_scenes_of_different_streams_differ_and_repeat() -> None:
    pictures = [
        make_scene(scene_rng(stream, 0)).picture.tobytes()
        for stream in (TRAINING, HELD_OUT, TRAINING)
    ]
    assert pictures[0] == pictures[2] != pictures[1]


def test_every_thing_has_a_sprite_and_a_name_of_its_own() -> None:
    assert len({thing.name for thing in THINGS}) == len(THINGS) == len(sprites())
    assert all((sprite[..., 3] > 0).mean() > 0.1 for sprite in sprites())
    assert len({sprite.tobytes() for sprite in sprites()}) == len(THINGS)


def test_patch_labels_say_what_is_drawn() -> None:
    rng = scene_rng(TRAINING, 7)
    marked = mark_scene(rng, make_scene(rng))
    labels = {t.name: row for t, row in zip(TARGETS, patch_labels(marked, 10), strict=True)}
    shown = {p.index for p in marked.scene.placements}
    assert shown <= set(labels["thing"].tolist()) <= shown | {len(THINGS), IGNORE}
    pointed = {marked.scene.placements[target].index for target in marked.targets}
    assert set(labels["points_to"].tolist()) == pointed | {IGNORE}
    colors = {MODEL_COLORS.index(mark.color) for mark in marked.marks}
    assert colors <= set(labels["marked_by"].tolist())
    plain = draw(marked.scene.picture, [])
    changed = np.asarray(square(plain)) != np.asarray(square(marked.picture))
    assert changed.any()


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_conversation_has_the_same_tokens_turn_by_turn_and_whole(
    engine: LocalEngine, name: str
) -> None:
    for number in range(20):
        rng = scene_rng(TRAINING, number)
        turns = make_conversation(rng, mark_scene(rng, make_scene(rng)))
        tokens = conversation_tokens(engine.tokenizer, name, turns)
        whole = render(TEMPLATES[name], turns).replace("<image>", "<image>" * 100)
        assert tokens.ids[:-1] == engine.tokenizer(whole)["input_ids"]
        said = engine.tokenizer.decode([label for label in tokens.labels if label != IGNORE])
        stop = TEMPLATES[name].stop
        assert said == "".join(f" {turn.answer}{stop}" for turn in turns)


def short_recipe() -> Recipe:
    reading, seeing, whole = (
        replace(stage, steps=4, batch=4, warm_up=1, rate=1e-3, plain_rate=1e-3)
        for stage in Recipe().stages
    )
    return Recipe(
        reading=reading,
        seeing=seeing,
        whole=whole,
        tokenizer_scenes=50,
        held_out_batches=1,
        save_every=2,
    )


def test_training_goes_on_where_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    assert 0 <= train(short_recipe(), whole, workers=0) <= 1
    step, steps = training._step, 0

    def stopping(*arguments: Any) -> None:
        nonlocal steps
        steps += 1
        if steps == 8:  # the last step of the second stage, two after its state was saved
            raise KeyboardInterrupt
        step(*arguments)

    monkeypatch.setattr(training, "_step", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(short_recipe(), stopped, workers=0)
    assert (stopped / "seeing" / "state").is_dir()
    monkeypatch.undo()
    train(short_recipe(), stopped, workers=0)
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, stopped))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)

    picture = square(sample_scene("garden").picture)
    engine = open_engine(str(stopped), device="cpu")
    prompt = engine.prompt(engine.view(picture), "what is marked?")
    assert next(engine.answer([prompt])).answer_tokens > 0


def test_a_batch_is_the_same_whoever_makes_it(engine: LocalEngine) -> None:
    batches = Batches(TRAINING, 10, 4, 3, tokenizer=engine.tokenizer)
    here = [batches[number] for number in range(3)]
    for workers, begun in ((0, 0), (2, 0), (2, 1)):
        for made, expected in zip(load(batches, begun, workers), here[begun:], strict=True):
            assert made.pixels is not None
            assert expected.pixels is not None
            assert made.talk is not None
            assert expected.talk is not None
            assert torch.equal(made.pixels, expected.pixels)
            assert torch.equal(made.talk.ids, expected.talk.ids)


def test_the_whole_model_sees_as_training_does(engine: LocalEngine) -> None:
    """What a stage computes piece by piece equals the model's own forward."""
    learner = Learner(copy.deepcopy(engine.model), engine.tokenizer)
    learner.model.load_state_dict(engine.model.state_dict())
    batch = Batches(HELD_OUT, 0, 6, 1, tokenizer=engine.tokenizer)[0]
    assert batch.talk is not None
    assert batch.pixels is not None
    tally = Tally()
    with torch.no_grad():
        learner.whole_loss(batch, tally, whole=True)
        scores = engine.model(
            input_ids=batch.talk.ids, pixel_values=normalized(batch.pixels)
        ).logits[:, :-1]
    wanted = batch.talk.answers[:, 1:]
    right = int((scores.argmax(-1) == wanted)[wanted != IGNORE].sum())
    said = int((wanted != IGNORE).sum())
    assert tally["token right"] == right
    assert tally["token asked"] == said


def test_the_shipped_model_is_small_and_real() -> None:
    weights = BUNDLED["tiny"] / "model.safetensors"
    assert weights.stat().st_size < 20_000_000
