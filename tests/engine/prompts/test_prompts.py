"""Prompts: the words of a mark, of a template, and of a user who types control words."""

import pytest

from vipllava_cli.engine.prompts.phrases import find_undrawn_mark, object_phrase
from vipllava_cli.engine.prompts.questions import prepare_question
from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render
from vipllava_cli.errors import UsageError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import SHAPES

TEXTS = {
    "box": ("1,1,9,9", "within the red rectangle"),
    "ellipse": ("1,1,9,9", "within the red ellipse"),
    "triangle": ("1,1,9,9,1,9", "with the red triangle"),
    "point": ("5,5", "at the red point"),
    "scribble": ("1,1,9,9", "with the red scribble"),
    "mask": ("1,1,9,9,1,9", "with the red mask"),
    "contour": ("1,1,9,9,1,9", "with the red mask contour"),
    "arrow": ("1,1,9,9", "pointed to by the red arrow"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_mark_is_named_in_the_words_of_the_training(shape: str) -> None:
    text, words = TEXTS[shape]
    mark = resolve_coordinates([parse_mark(shape, text)], 10, 10).marks[0]
    assert object_phrase(mark) == f"the object {words}"


def test_placeholders_take_the_marks_in_order() -> None:
    specs = [parse_mark("box", "1,1,9,9"), parse_mark("arrow", "blue:1,1,9,9")]
    marks = resolve_coordinates(specs, 10, 10).marks
    assert prepare_question("what is {1} doing with {2}? {x} {", marks).text == (
        "what is the object within the red rectangle doing with"
        " the object pointed to by the blue arrow? {x} {"
    )


@pytest.mark.parametrize("text", ["", "   \n", "{1}", "what is {0}?", "what is {3}?"])
def test_a_question_without_sense_is_refused(text: str) -> None:
    marks = (
        ()
        if text == "{1}"
        else resolve_coordinates([parse_mark("box", "1,1,9,9")] * 2, 10, 10).marks
    )
    with pytest.raises(UsageError):
        prepare_question(text, marks)


def test_control_words_are_made_harmless_and_said() -> None:
    question = prepare_question("is <image> or </s> or ### a thing?", ())
    assert question.text == "is < image > or < /s > or # # # a thing?"
    assert len(question.notes) == 3
    assert "###" not in prepare_question("what is #####?", ()).text


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        prepare_question("what is \udcff?", ())


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("what is in the red box?", None),
        ("what is in the Red Square?", None),
        ("what does the blue arrow point to?", "blue arrow"),
        ("is the green dot left of the red rectangle?", None),
        ("what is in the red circle?", "red circle"),
        ("what is the red thing in a box?", None),
    ],
)
def test_a_mark_that_is_not_there_is_noticed(text: str, absent: str | None) -> None:
    specs = [parse_mark("box", "1,1,9,9"), parse_mark("point", "lime:5,5")]
    marks = resolve_coordinates(specs, 10, 10).marks
    assert find_undrawn_mark(text, marks) == absent
    assert find_undrawn_mark(text, ()) is None


def test_the_documented_prompt_is_built() -> None:
    turns = [Turn("what is it?", "a cat"), Turn("what colour?")]
    assert render(TEMPLATES["human"], turns) == (
        "A chat between a curious human and an artificial intelligence assistant. The assistant"
        " gives helpful, detailed, and polite answers to the human's questions."
        "###Human: <image>\nwhat is it?###Assistant: a cat###Human: what colour?###Assistant:"
    )


def test_the_prompt_of_the_training_is_built() -> None:
    turns = [Turn("what is it?", "a cat"), Turn("what colour?")]
    assert render(TEMPLATES["vicuna"], turns) == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant"
        " gives helpful, detailed, and polite answers to the user's questions."
        " USER: <image>\nwhat is it? ASSISTANT: a cat</s>USER: what colour? ASSISTANT:"
    )
