"""The text around questions and answers."""

from vipllava_cli.engine.prompts.templates import TEMPLATES, Turn, render


def test_human_is_the_documented_prompt() -> None:
    turns = [Turn("what is it?", "a cat"), Turn("what colour?")]
    assert render(TEMPLATES["human"], turns) == (
        "A chat between a curious human and an artificial intelligence assistant. The assistant"
        " gives helpful, detailed, and polite answers to the human's questions."
        "###Human: <image>\nwhat is it?###Assistant: a cat###Human: what colour?###Assistant:"
    )


def test_vicuna_is_the_prompt_of_the_training() -> None:
    turns = [Turn("what is it?", "a cat"), Turn("what colour?")]
    assert render(TEMPLATES["vicuna"], turns) == (
        "A chat between a curious user and an artificial intelligence assistant. The assistant"
        " gives helpful, detailed, and polite answers to the user's questions."
        " USER: <image>\nwhat is it? ASSISTANT: a cat</s>USER: what colour? ASSISTANT:"
    )
