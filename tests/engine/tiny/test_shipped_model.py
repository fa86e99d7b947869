"""The shipped model: accurate on held-out scenes, as its card states."""

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.sample_scenes import PLACES
from vipllava_cli.engine.hub.registry import BUNDLED
from vipllava_cli.engine.local.generate import LocalEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.phrases import place_phrase
from vipllava_cli.flows.evals.clipart.scenes import (
    HELD_OUT,
    SIMPLE,
    make_scene,
    mark_scene,
    scene_rng,
)
from vipllava_cli.images.square import pad_to_square

pytestmark = pytest.mark.model

# Every object of some scenes, marked in turn. The scenes and shapes are ones that the shipped weights
# get right: these tests guard the path to an answer. The test of the accuracy is below.
MARKED_OBJECTS = [
    (scene, name, shape)
    for scene, shape in (
        ("garden", "box"),
        ("farm", "box"),
        ("breakfast", "ellipse"),
        ("garden", "arrow"),
        ("farm", "point"),
    )
    for name in PLACES[scene]
]

# The accuracy on the card, minus the spread over a hundred scenes. Raise it with better weights.
MIN_HELD_OUT_ACCURACY = 0.97


def mark_flag(scene: str, name: str, shape: str) -> list[str]:
    left, top, right, bottom = PLACES[scene][name]
    x, y = (left + right) / 2, (top + bottom) / 2
    values = {
        "box": (left - 5, top - 5, right + 5, bottom + 5),
        "ellipse": (left - 15, top - 15, right + 15, bottom + 15),
        "arrow": (x + 100, y + 90, x, y),
        "point": (x, y),
    }[shape]
    return [f"--{shape}", "red:" + ",".join(f"{value:g}" for value in values)]


@pytest.mark.usefixtures("opened_once")
@pytest.mark.parametrize(("scene", "name", "shape"), MARKED_OBJECTS)
def test_the_mark_decides_what_the_model_names(run: Run, scene: str, name: str, shape: str) -> None:
    result = run("ask", SAMPLES / f"{scene}.png", "what is {1}?", *mark_flag(scene, name, shape))
    assert result.stdout.strip().split()[-1] == name


@pytest.mark.usefixtures("opened_once")
@pytest.mark.parametrize(
    ("scene", "question", "answer"),
    [
        ("zoo-red-box", "what is in the red box?", "a penguin"),
        ("music-blue-arrow", "what does the blue arrow point to?", "a drum"),
        ("sky-two-marks", "what is in the red box?", "a rocket"),
        ("sky-two-marks", "what is in the green circle?", "a balloon"),
    ],
)
def test_the_model_sees_marks_that_are_part_of_the_image(
    run: Run, scene: str, question: str, answer: str
) -> None:
    assert run("ask", SAMPLES / f"{scene}.png", question).stdout.strip() == answer


# Wordings that the shipped weights get right, as above. They do not measure how often the model
# understands people: the holdout templates of the benchmark do.
OWN_WORDS = (
    "Tell me what the red box shows.",
    "What's inside of the red rectangle?",
    "which animal can you see in the red square?",
    "pls name the object in the red box",
    "Hello! What do you see in the red box???",
    "I would like to know what is in the red box.",
    "what bird is in the red box?",
    "Which creature is inside the box?",
)


@pytest.mark.usefixtures("opened_once")
def test_the_model_understands_wordings_that_training_lacks(run: Run) -> None:
    answers = run("ask", SAMPLES / "zoo-red-box.png", *OWN_WORDS).stdout.splitlines()
    assert answers == ["a penguin"] * len(OWN_WORDS)


@pytest.mark.slow
def test_the_accuracy_on_new_scenes_is_that_of_the_card() -> None:
    engine = open_engine("tiny", device="cpu")
    assert isinstance(engine, LocalEngine)
    prompts, names = [], []
    for number in range(150):
        rng = scene_rng(HELD_OUT, number)
        marked = mark_scene(rng, make_scene(rng, SIMPLE), SIMPLE)
        view = engine.view(pad_to_square(marked.image))
        for index, mark in enumerate(marked.marks):
            prompts.append(engine.prompt(view, f"What is {place_phrase(mark)}?"))
            names.append(marked.marked_placement(index).object_class.phrase)
    answers = [
        answer.text
        for start in range(0, len(prompts), 16)
        for answer in engine.answer_batch(prompts[start : start + 16])
    ]
    correct = sum(answer == name for answer, name in zip(answers, names, strict=True))
    assert len(names) > 150
    assert correct / len(names) >= MIN_HELD_OUT_ACCURACY


def test_the_shipped_weights_are_small() -> None:
    weights = BUNDLED["tiny"] / "model.safetensors"
    assert weights.stat().st_size < 20_000_000
