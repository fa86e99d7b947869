"""Questions and answers about a marked scene."""

import hashlib

import numpy as np
import pytest

from tests.support.object_rows import object_row
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.flows.evals.clipart.question_generator import QuestionGenerator
from vipllava_cli.flows.evals.clipart.questions import (
    HOLDOUT_QUESTION_KINDS,
    KIND_WEIGHTS,
    MAX_TURNS,
    QUESTION_KINDS,
    ask,
    make_conversation,
)
from vipllava_cli.flows.evals.clipart.scenes import (
    TRAINING,
    TRAINING_SETTINGS,
    TRAINING_STYLE,
    make_scene,
    mark_scene,
    scene_rng,
)


# The shipped model was trained on these conversations. A change of them changes what it understands.
@pytest.mark.parametrize(
    ("number", "question", "answer", "digest"),
    [
        (0, "what mark can you see on the snail?", "the fuchsia arrow", "d9aa2d7ba937e5e1"),
        (
            1,
            "Which of the marked things is the monkey?",
            "the object with the blue mask",
            "37654bd911277bc4",
        ),
        (2, "Look at the lime mask. what is it on", "a tomato", "b4e5f3852ac8fdd3"),
    ],
)
def test_a_seed_gives_the_conversations_that_the_shipped_model_was_trained_on(
    number: int, question: str, answer: str, digest: str
) -> None:
    rng = scene_rng(TRAINING, number)
    settings = TRAINING_SETTINGS[number % len(TRAINING_SETTINGS)]
    marked = mark_scene(rng, make_scene(rng, settings, TRAINING_STYLE), settings)
    turns = make_conversation(rng, marked)
    assert (turns[0].question, turns[0].answer) == (question, answer)
    text = "\n".join(f"{turn.question}\n{turn.answer}" for turn in turns)
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == digest


def test_conversations_consist_of_turns() -> None:
    rng = scene_rng(TRAINING, 0)
    turns = make_conversation(rng, mark_scene(rng, make_scene(rng)))
    assert 1 <= len(turns) <= MAX_TURNS
    assert all(isinstance(turn, Turn) and turn.kind in QUESTION_KINDS for turn in turns)


def test_every_kind_of_question_has_a_weight() -> None:
    assert KIND_WEIGHTS.keys() == QUESTION_KINDS.keys()
    assert HOLDOUT_QUESTION_KINDS.keys() <= QUESTION_KINDS.keys()


def test_questions_have_the_answers_that_the_scene_gives() -> None:
    marked = object_row("cat", "apple", "dog", marked={"apple": "red", "dog": "gold"})
    generator = QuestionGenerator(np.random.default_rng(0), marked)

    def answers(kind: str, mark: int) -> set[str]:
        turns = [ask(generator, kind, mark) for _ in range(40)]
        return {turn.answer for turn in turns if turn}

    assert answers("naming", 0) == {"an apple", "apple"}
    assert answers("kind", 0) == {"food"}
    assert answers("colour", 1) == {"gold"}
    assert answers("which mark", 1) == {"the gold box", "the object within the gold rectangle"}
    assert answers("yes or no", 0) == {"yes", "no"}
    assert answers("count", 0) == {"3"}
    assert answers("list", 0) == {"a cat, an apple and a dog"}
    assert answers("beside", 0) == {"a cat", "a dog"}
    assert answers("beside", 1) == {"an apple"}
    assert "the first is food, the second is an animal" in answers("compare", 0)
    assert answers("choose thing", 0) == set("ABCD")
    assert answers("choose mark", 0) == set("AB")
    assert all(answer.startswith("there is no ") for answer in answers("absent", 0))
    assert not answers("absent", 0) & {"there is no red box", "there is no gold box"}
