"""Conversations in the words of chat templates that take an answer in another form."""

from pathlib import Path

import pytest

from tests.support.family_checkpoints import make_family_checkpoint
from vipllava_cli.engine.local.engines import FamilyEngine
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import UsageError

pytestmark = pytest.mark.model

_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}USER: "
    "{% for part in message.content %}"
    "{% if part.type == 'image' %}<image>{% else %}{{ part.text }}{% endif %}"
    "{% endfor %} {% else %}ASSISTANT: ANSWER</s>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
TURNS = (Turn("what is it?", "a cat"), Turn("is it red?"))


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param("{{ message.content }}", id="prints"),
        pytest.param("{{ message.content | tojson }}", id="prints-json"),
        pytest.param("{{ message.content + '' }}", id="joins-texts"),
        pytest.param(
            "{% if message.content is string %}{{ message.content }}{% endif %}", id="drops"
        ),
        pytest.param("{% for part in message.content %}{{ part.text }}{% endfor %}", id="parts"),
        pytest.param("{{ message.content[0]['text'] }}", id="first-part"),
    ],
)
def test_an_earlier_answer_is_its_text_whatever_form_the_template_takes(
    answer: str, tmp_path: Path
) -> None:
    folder = make_family_checkpoint("llava", tmp_path / "model")
    (folder / "chat_template.jinja").write_text(_TEMPLATE.replace("ANSWER", answer))
    engine = open_engine(str(folder))
    assert isinstance(engine, FamilyEngine)
    text = engine.render(TURNS).removeprefix(engine.tokenizer.bos_token)
    expected = '"a cat"' if "tojson" in answer else "a cat"
    assert text == (
        f"USER: <image>what is it? ASSISTANT: {expected}</s>USER: is it red? ASSISTANT:"
    )


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of transformers 5.23.0
def test_the_default_template_is_used_beside_named_ones(tmp_path: Path) -> None:
    folder = make_family_checkpoint("llava", tmp_path / "model")
    (folder / "additional_chat_templates").mkdir()
    (folder / "additional_chat_templates" / "rag.jinja").write_text("documents <image>")
    engine = open_engine(str(folder))
    assert isinstance(engine, FamilyEngine)
    assert "is it red?" in engine.render(TURNS)


def test_a_checkpoint_without_a_template_says_which_file_to_add(tmp_path: Path) -> None:
    folder = make_family_checkpoint("llava", tmp_path / "model")
    (folder / "chat_template.jinja").unlink()
    engine = open_engine(str(folder))
    assert isinstance(engine, FamilyEngine)
    with pytest.raises(UsageError, match=r"has no chat template: .* add chat_template\.jinja"):
        engine.render(TURNS)
