"""The state of a conversation, as values."""

from dataclasses import replace

import pytest

from vipllava_cli.errors import UsageError
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.state import ChatState, image_key
from vipllava_cli.marks.parse import parse_mark


def test_a_state_names_the_missing_image_or_turn() -> None:
    with pytest.raises(UsageError, match="no image yet: /image PATH"):
        _ = ChatState().input_image
    with pytest.raises(UsageError, match="no question yet"):
        ChatState().without_last_turn()


def test_dropped_turns_are_not_visible_and_undo_reaches_them_last(chat: Chat) -> None:
    for question in ("one?", "two?", "three?"):
        chat.ask(question)
    state = replace(chat.state, dropped_turns=2)
    assert [turn.question for turn in state.visible_turns] == ["three?"]
    state = state.without_last_turn()
    assert (len(state.turns), state.dropped_turns) == (2, 2)
    state = state.without_last_turn()
    assert (len(state.turns), state.dropped_turns) == (1, 1)


def test_zoom_changes_the_input_image_and_nothing_else(chat: Chat) -> None:
    chat.add_mark(parse_mark("box", "10,10,30,30"))
    state = replace(chat.state, zoom=True)
    assert state.marked_image == chat.state.marked_image
    assert state.input_image.crop is not None
    assert image_key(state.input_image) != image_key(chat.state.input_image)


def test_a_turn_has_the_key_of_the_image_that_the_model_saw(chat: Chat) -> None:
    chat.add_mark(parse_mark("box", "10,10,30,30"))
    turn = chat.ask("what?")
    assert turn
    assert turn.image_key == image_key(chat.state.input_image)
    chat.remove_mark(None)
    assert turn.image_key != image_key(chat.state.input_image)
