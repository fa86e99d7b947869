"""/undo, /retry, /more, /reset, /stats, and the notes after an answer."""

from dataclasses import replace

import pytest

from tests.support.chat_session import FakeSession


def questions(fake: FakeSession) -> list[str]:
    return [turn.question for turn in fake.chat.state.turns]


def test_undo_removes_the_last_turn(fake: FakeSession) -> None:
    assert fake.enter("one?", "two?", "/undo") == "undone: two?\n"
    assert questions(fake) == ["one?"]
    printed = fake.enter("/undo", "/undo")
    assert printed == "undone: one?\nerror: no question yet: nothing to undo, retry or continue\n"


def test_reset_removes_the_turns_and_keeps_image_and_marks(fake: FakeSession) -> None:
    printed = fake.enter("/box 10,10,50,50", "one?", "two?", "/reset")
    assert printed.endswith("conversation cleared; image and marks kept\n")
    assert questions(fake) == []
    assert len(fake.chat.state.marked_image.marks) == 1


def test_more_continues_an_answer_that_was_cut_off(
    fake: FakeSession, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "answer cut off at 1 token: /more" in fake.enter(
        "/set max-new-tokens 1", "why?", "/undo"
    )
    capsys.readouterr()
    printed = fake.enter("/set max-new-tokens 4", "what?")
    assert "answer cut off at 4 tokens: /more continues it" in printed
    fake.enter("/set max-new-tokens 100", "/more")
    short, full = capsys.readouterr().out.splitlines()
    assert full.startswith(short)
    assert len(full) > len(short)
    assert questions(fake) == ["what?"]
    assert fake.enter("/more") == (
        "error: the last answer is complete: ask another question, or use /retry\n"
    )


def test_retry_replaces_the_last_turn(fake: FakeSession) -> None:
    assert "decoding is greedy" in fake.enter("one?", "/retry")
    assert questions(fake) == ["one?"]


def test_stats_show_the_number_of_dropped_turns_if_any(fake: FakeSession) -> None:
    assert "\n0 turns\n" in fake.enter("/stats")
    assert "\n1 turn\n" in fake.enter("one?", "/stats")
    printed = fake.enter("two?", "/stats")
    assert "\n2 turns\n" in printed
    assert "of 1000 tokens used\n" in printed
    assert "; prompt: " in printed
    fake.chat.state = replace(fake.chat.state, dropped_turns=1)
    assert "\n2 turns, the oldest 1 dropped\n" in fake.enter("/stats")


def test_a_nearly_full_context_is_announced_after_an_answer(fake: FakeSession) -> None:
    printed = ""
    while "context nearly full" not in printed:
        assert not fake.chat.state.dropped_turns
        printed = fake.enter("x" * 60)
    assert "of 1000 tokens): the oldest turns will be dropped soon; /reset starts over" in printed
