"""Control words in questions."""

import time

import pytest

from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.errors import UsageError


def test_control_words_become_harmless_with_a_note() -> None:
    question = prepare_question("is <image> or </s> or ### a thing?", ())
    assert question.text == "is < image > or < /s > or # # # a thing?"
    assert len(question.notes) == 3
    assert "###" not in prepare_question("what is #####?", ()).text


@pytest.mark.parametrize(
    "text",
    [
        "<image>what is it?",
        "<image>\nwhat is it?",
        "what is it?\n<image>",
        " <image> <image>\n what is it? <image>",
    ],
)
def test_the_word_for_the_image_around_a_question_is_dropped_with_a_note(text: str) -> None:
    question = prepare_question(text, ())
    assert question.text == "what is it?"
    assert question.notes == (
        "dropped <image> from the question: the prompt has the image already",
    )


def test_a_question_of_a_column_loses_the_word_too() -> None:
    assert prepare_question("{text}", (), {"text": "<image>\nwhat is it?"}).text == "what is it?"


def test_the_word_inside_a_question_stays_as_harmless_text() -> None:
    question = prepare_question("<image>\nis <image> a word?", ())
    assert question.text == "is < image > a word?"
    assert len(question.notes) == 2


@pytest.mark.parametrize("text", ["<image>", " <image>\n<image> "])
def test_a_question_of_nothing_else_is_empty(text: str) -> None:
    with pytest.raises(UsageError, match="the question is empty"):
        prepare_question(text, ())


def test_a_long_run_of_spaces_takes_no_time() -> None:
    text = "what" + " " * 300_000 + "?"
    start = time.perf_counter()
    prepare_question(text, ())
    assert time.perf_counter() - start < 1
