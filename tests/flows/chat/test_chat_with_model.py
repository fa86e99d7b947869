"""A conversation with the shipped model that fills the context."""

import pytest

from tests.conftest import SAMPLES
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.state import ChatState
from vipllava_cli.marks.marked_image import MarkedImage, open_image
from vipllava_cli.marks.parse import parse_mark

pytestmark = pytest.mark.model


def test_dropping_turns_gives_the_answer_of_a_new_conversation_about_the_kept_ones(
    notes: list[str],
) -> None:
    engine = open_engine("tiny", device="cpu")
    image = MarkedImage(open_image(str(SAMPLES / "garden.png")))
    chat = Chat(engine, notes.append, ChatState(image))
    chat.add_mark(parse_mark("box", "294,48,522,247"))
    while not chat.state.dropped_turns:
        turn = chat.ask("is it " + "big or small or " * 100 + "what is in the red box?")
        assert len(chat.state.turns) < 12
    assert turn
    visible_turns = [each.turn for each in chat.state.visible_turns]
    fresh = engine.start_conversation().answer(
        chat.view(chat.state.input_image), [*visible_turns[:-1], Turn(turn.question)]
    )
    assert (fresh.answer.text, fresh.tokens) == (turn.answer, turn.tokens)
    assert chat.reply
    assert chat.reply.prefill_tokens < fresh.prefill_tokens - 100, "the image stays in the cache"
