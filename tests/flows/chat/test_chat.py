"""A conversation: questions, answers, changes of image and marks, a full context."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.fake_engine import FakeConversation
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.flows.chat.chat import IMAGE_CHANGED, Chat, ChatSettings
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import MarkStyle


def conversation(chat: Chat) -> FakeConversation:
    assert isinstance(chat.conversation, FakeConversation)
    return chat.conversation


# --- answers ---------------------------------------------------------------------------------


def test_each_question_follows_the_earlier_turns(chat: Chat) -> None:
    for question in ("one?", "two?", "three?"):
        assert chat.ask(question)
    chat.state = chat.state.without_last_turn()
    chat.ask("four?")
    assert conversation(chat).visible_turns == [
        ["one?"],
        ["one?", "two?"],
        ["one?", "two?", "three?"],
        ["one?", "two?", "four?"],
    ]


def test_a_stopped_answer_is_kept_and_can_be_continued(chat: Chat) -> None:
    pieces: list[str] = []
    stopped = chat.ask("what?", pieces.append, lambda: True)
    assert stopped
    assert stopped.record.finish_reason == "stopped"
    continued = chat.continue_answer(pieces.append)
    assert continued
    assert continued.answer == "".join(pieces)
    assert len(chat.state.turns) == 1


def test_an_answer_that_is_complete_or_about_another_image_cannot_be_continued(
    chat: Chat,
) -> None:
    with pytest.raises(UsageError, match="no question yet"):
        chat.continue_answer()
    chat.ask("what?")
    with pytest.raises(UsageError, match="the last answer is complete"):
        chat.continue_answer()
    chat.settings = ChatSettings(options=GenerationOptions(max_new_tokens=2))
    chat.ask("what?")
    chat.add_mark(parse_mark("box", "10,10,50,50"))
    with pytest.raises(UsageError, match="other marks"):
        chat.continue_answer()


def test_retry_samples_another_answer_in_place_of_the_last(chat: Chat, notes: list[str]) -> None:
    chat.settings = ChatSettings(options=GenerationOptions(temperature=1.0))
    chat.ask("what?")
    answers = [chat.state.turns[0].answer]
    for _ in range(3):
        chat.retry()
        answers.append(chat.state.turns[0].answer)
    assert len(set(answers)) == 4
    assert len(chat.state.turns) == 1
    assert notes == []
    chat.settings = ChatSettings()
    chat.retry()
    assert "greedy" in notes[0]


def test_a_failure_leaves_the_state_unchanged(chat: Chat) -> None:
    chat.ask("what?")
    before = chat.state
    with pytest.raises(UsageError, match="too long"):
        chat.ask("word " * 300)
    with pytest.raises(UsageError, match="no mark is drawn"):
        chat.ask("what is {1}?")
    with pytest.raises(InputError, match="outside"):
        chat.add_mark(parse_mark("box", "1000,1000,2000,2000"))
    assert chat.state == before


# --- image and marks -------------------------------------------------------------------------


def test_new_marks_keep_the_turns_and_each_turn_records_its_own_marks(
    chat: Chat, notes: list[str]
) -> None:
    chat.add_mark(parse_mark("box", "10,10,50,50"))
    before = chat.ask("what is {1}?")
    assert notes == []
    chat.add_mark(parse_mark("arrow", "60,60"))
    chat.remove_mark(1)
    assert notes == [IMAGE_CHANGED]
    after = chat.ask("what is {1}?")
    assert before
    assert after
    assert before.question == "what is the object within the red rectangle?"
    assert after.question == "what is the object pointed to by the lime arrow?"
    assert before.answer.split(":")[0] != after.answer.split(":")[0], "the pixels differ"
    shapes = [[mark["shape"] for mark in t.record.request.marks] for t in chat.state.turns]
    assert shapes == [["box"], ["arrow"]]


def test_another_image_keeps_the_turns_and_each_turn_records_its_own_image(
    chat: Chat, notes: list[str], tmp_path: Path
) -> None:
    chat.add_mark(parse_mark("box", "10,10,50,50"))
    chat.ask("what?")
    Image.new("RGB", (50, 60), (9, 9, 9)).save(tmp_path / "other.png")
    chat.change_image(open_image(str(tmp_path / "other.png")))
    chat.ask("and here?")
    assert notes == [IMAGE_CHANGED]
    assert conversation(chat).visible_turns[-1] == ["what?", "and here?"]
    first, second = chat.state.turns
    assert first.image_fingerprint != second.image_fingerprint
    assert second.record.request.image.endswith("other.png")
    assert second.record.request.marks == ()


def test_marks_without_a_colour_keep_the_colour_that_they_got(chat: Chat) -> None:
    colors = [chat.add_mark(parse_mark("point", f"{x},5")).color.name for x in (10, 20, 30)]
    chat.remove_mark(1)
    colors.append(chat.add_mark(parse_mark("point", "40,5")).color.name)
    assert colors == ["red", "lime", "blue", "red"]


def test_new_marks_get_the_width_and_alpha_of_the_settings(chat: Chat) -> None:
    chat.settings = ChatSettings(style=MarkStyle(width=9, alpha=0.4))
    mark = chat.add_mark(parse_mark("ellipse", "10,10,50,50"))
    assert (mark.width, mark.alpha) == (9, 0.4)


def test_a_mark_that_touches_no_pixel_is_refused(chat: Chat) -> None:
    before = chat.state
    with pytest.raises(InputError, match="touches no pixel of the image: the image is 200x100"):
        chat.add_mark(parse_mark("ellipse", "-200,-200,400,300"))
    assert chat.state == before


def test_removing_an_unknown_mark_lists_the_known_ones(chat: Chat) -> None:
    with pytest.raises(UsageError, match="there are no marks to remove"):
        chat.remove_mark(1)
    chat.add_mark(parse_mark("point", "10,5"))
    with pytest.raises(UsageError, match="there is no mark 2: the only mark is 1"):
        chat.remove_mark(2)
    chat.add_mark(parse_mark("point", "20,5"))
    with pytest.raises(UsageError, match="there is no mark 3: expected 1 to 2"):
        chat.remove_mark(3)


# --- context length --------------------------------------------------------------------------


def test_a_full_context_drops_the_oldest_turns_after_a_warning(
    chat: Chat, notes: list[str]
) -> None:
    was_nearly_full = False
    while not chat.state.dropped_turns:
        was_nearly_full = chat.is_nearly_full()
        chat.ask("x" * 40)
        assert len(chat.state.turns) < 50
    assert was_nearly_full, "before the turn that dropped others"
    assert notes == [
        f"context full (1000 tokens): the model no longer sees the oldest"
        f" {chat.state.dropped_turns} turns; the image stays"
    ]
    kept = len(chat.state.turns) - chat.state.dropped_turns
    assert len(conversation(chat).visible_turns[-1]) == kept
    assert chat.state.dropped_turns > 1, "several at once, so that the next turns drop none"
    assert len(chat.state.turns) > len(chat.state.visible_turns), "the state keeps dropped turns"
    while chat.state.turns:
        chat.state = chat.state.without_last_turn()
    assert chat.state.dropped_turns == 0


def test_marks_that_look_alike_get_numbers_with_a_note(chat: Chat, notes: list[str]) -> None:
    for text in ("red:1,1,9,9", "red:20,1,29,9"):
        chat.add_mark(parse_mark("box", text))
    chat.ask("how many red boxes are there?")
    assert not chat.state.marked_image.numbers
    chat.ask("what is {2}?")
    assert chat.state.marked_image.numbers
    assert [turn.record.request.numbers for turn in chat.state.turns] == [False, True]
    assert chat.state.turns[-1].record.request.question == (
        "what is the object within the red rectangle numbered 2?"
    )
    assert sum("drew numbers beside the marks" in note for note in notes) == 1


def test_a_word_for_the_image_is_dropped(chat: Chat, notes: list[str]) -> None:
    chat.ask("<image>\nwhat is it?")
    assert chat.state.turns[-1].record.request.question == "what is it?"
    assert any("dropped <image>" in note for note in notes)
