"""Control words in questions."""

from vipllava_cli.engine.prompts.questions import prepare_question


def test_control_words_become_harmless_with_a_note() -> None:
    question = prepare_question("is <image> or </s> or ### a thing?", ())
    assert question.text == "is < image > or < /s > or # # # a thing?"
    assert len(question.notes) == 3
    assert "###" not in prepare_question("what is #####?", ()).text
