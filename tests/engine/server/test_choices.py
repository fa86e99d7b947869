"""Choices on a server: by log-probabilities where they mean something, else by what it writes."""

import math
from typing import Any

import pytest
from PIL import Image

from tests.support.server_engines import engine_at
from tests.support.vision_server import VisionServer, serving
from vipllava_cli.engine.base import Answer
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.server.choices import (
    find_choice,
    has_usable_probabilities,
    score_choices,
)
from vipllava_cli.engine.server.engine import ServerEngine
from vipllava_cli.errors import GenerationError


def token(text: str, **alternatives: float) -> dict[str, Any]:
    """Make the entry of a token with the probabilities of all in its place."""
    top = [{"token": each, "logprob": math.log(share)} for each, share in alternatives.items()]
    return {"token": text, "logprob": math.log(alternatives[text]), "top_logprobs": top}


CAT = [token("cat", cat=0.7, dog=0.2, the=0.1)]
CONSTANT = [{"token": "cat", "logprob": 0.0, "top_logprobs": [{"token": "dog", "logprob": -9999}]}]


def choose(engine: ServerEngine, *choices: str) -> Answer:
    prompt = engine.prompt(engine.view(Image.new("RGB", (64, 64))), "what?")
    [answer] = engine.answer_batch([prompt], GenerationOptions(choices=choices))
    return answer


def test_scores_choices_by_their_first_tokens() -> None:
    with serving(VisionServer(answers={"what?": "cat"}, log_probabilities=CAT)) as server:
        answer = choose(engine_at(server), "dog", "cat", "horse")
    assert answer.text == "cat"
    assert [choice.text for choice in answer.choices] == ["dog", "cat", "horse"]
    shares = [choice.probability for choice in answer.choices]
    assert shares == pytest.approx([0.2, 0.7, 0.1])  # the horse: as much as the least likely token
    assert [math.exp(c.log_likelihood) for c in answer.choices] == pytest.approx([0.2, 0.7, 0.1])
    assert sum(server.rows().values()) == 1


def test_tells_choices_apart_at_the_token_where_they_differ() -> None:
    tokens = [token("a", a=0.9, A=0.1), token(" car", **{" car": 0.8, " bus": 0.2})]
    choices = score_choices("a car", tokens, ("a bus", "a car"))
    assert choices == ()  # a tenth may be either
    tokens[0] = token("a", a=1.0)
    choices = score_choices("a car", tokens, ("a bus", "a car"))
    assert [choice.probability for choice in choices] == pytest.approx([0.2, 0.8])


def test_skips_the_tokens_of_thoughts() -> None:
    thoughts = [token(text, **{text: 0.9, "x": 0.1}) for text in ("<think>", "dog", "</think>")]
    choices = score_choices("cat", [*thoughts, *CAT], ("cat", "dog"))
    assert [choice.probability for choice in choices] == pytest.approx([7 / 9, 2 / 9])


def test_knows_no_probability_of_other_answers() -> None:
    assert score_choices("It is", [token("It", It=0.9, cat=0.1)], ("cat", "dog")) == ()
    assert score_choices("cat", [], ("cat", "dog")) == ()


@pytest.mark.parametrize(
    ("values", "are_usable"),
    [
        ([-0.1, -2.0], True),
        ([0.0, -9999.0, 0.0], False),
        ([0.0, 0.0], False),
        ([-0.5, -0.5], False),
        ([0.3, -1.0], False),
        ([math.nan, -1.0], False),
        ([-0.1, "x"], False),
    ],
)
def test_knows_probabilities_that_mean_nothing(values: list[Any], are_usable: bool) -> None:
    listed = [{"token": "a", "logprob": value, "top_logprobs": []} for value in values]
    assert has_usable_probabilities(listed) == are_usable


def test_ignores_constant_probabilities_with_one_note() -> None:
    notes: list[str] = []
    with serving(VisionServer(answers={"what?": "Cat."}, log_probabilities=CONSTANT)) as server:
        engine = engine_at(server, notes)
        answers = [choose(engine, "dog", "cat") for _ in range(3)]
    assert [(answer.text, answer.choices) for answer in answers] == [("cat", ())] * 3
    assert len(notes) == 1
    assert "log-probabilities of the server mean nothing" in notes[0]
    assert ["logprobs" in body for body in server.bodies[-3:]] == [True, False, False]


def test_asks_again_for_one_of_the_choices() -> None:
    answers = {"is none of them": "dog", "what?": "It is an animal"}
    with serving(VisionServer(answers=answers)) as server:
        assert choose(engine_at(server), "dog", "cat").text == "dog"
    with (
        serving(VisionServer(answers={"what?": "It is an animal"})) as server,
        pytest.raises(GenerationError, match="answered 'It is an animal', which is none of the"),
    ):
        choose(engine_at(server), "dog", "cat")
    assert sum(server.rows().values()) == 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a car", "a car"),
        (" A car. ", "a car"),
        ('"a car"', "a car"),
        ("- a car", "a car"),
        ("**A  Car**", "a car"),
        ("a cart", None),
        ("a car or a bus", None),
        ("", None),
        ("C++", "C++"),
    ],
)
def test_finds_a_choice_in_an_answer(text: str, found: str | None) -> None:
    assert find_choice(text, ("a bus", "a car", "C++")) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("B", "B"),
        (" (b). ", "B"),
        ("B. a dog", "B"),
        ("**B**) a dog", "B"),
        ("The answer is (B).", "B"),
        ("Answer: B", "B"),
        ("**Answer:** B", "B"),
        ("option A or option B", None),
        ("The answer is D", None),
        ("A dog", None),
        ("a big dog", None),
    ],
)
def test_finds_a_letter_in_a_sentence(text: str, found: str | None) -> None:
    assert find_choice(text, tuple("ABC")) == found


def test_only_letters_are_found_in_sentences() -> None:
    assert find_choice("The answer is C", ("C", "C++")) is None
