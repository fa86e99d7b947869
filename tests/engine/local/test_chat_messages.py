"""Chat templates read messages in several shapes: no question and no answer is lost."""

import pytest

from vipllava_cli.engine.local.chat_messages import STANDARD, choose_shape
from vipllava_cli.engine.local.chat_renderer import ChatRenderer
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import ModelError

pytestmark = pytest.mark.model

TURNS = (Turn("what is it?", "a dog"), Turn("where?"))


def _template(question: str, answer: str) -> str:
    return (
        "{% for m in messages %}{% if m['role'] == 'user' %}[Q]{% for c in m['content'] %}"
        "{% if c['type'] == 'image' %}[IMG]{% else %}{{ " + question + " }}{% endif %}{% endfor %}"
        "{% else %}[A]{{ " + answer + " }}{% endif %}{% endfor %}"
    )


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("c['text']", "m['content'][0]['text']"),
        ("c['text']", "'' + m['content']"),
        ("c['content']", "m['content'][0]['content']"),
        ("c['content']", "'' + m['content']"),  # as published with Pixtral
    ],
)
def test_a_template_gets_the_fields_that_it_reads(question: str, answer: str) -> None:
    renderer = ChatRenderer(_template(question, answer), {}, "model")
    text = renderer.render(choose_shape(renderer.render, "model").messages(TURNS))
    assert text == "[Q][IMG]what is it?[A]a dog[Q]where?"


def test_a_template_of_single_questions_gets_the_standard_shape() -> None:
    template = _template("c['text']", "raise_exception('one question only')")
    renderer = ChatRenderer(template, {}, "model")
    assert choose_shape(renderer.render, "model") == STANDARD


def test_a_template_without_the_question_is_refused() -> None:
    renderer = ChatRenderer(_template("'hello'", "'hello'"), {}, "model")
    with pytest.raises(ModelError, match="leaves out the question"):
        choose_shape(renderer.render, "model")


def test_a_template_that_fails_gives_its_first_error() -> None:
    renderer = ChatRenderer("{{ raise_exception('no ' + messages[0].role) }}", {}, "model")
    with pytest.raises(ModelError, match="cannot be used: no user"):
        choose_shape(renderer.render, "model")
