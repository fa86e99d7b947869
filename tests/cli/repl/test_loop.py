"""The chat loop: questions, commands, dropped images, errors."""

from pathlib import Path

import pytest
from PIL import Image

from tests.support.chat_session import FakeSession
from vipllava_cli.cli.repl.loop import run_chat
from vipllava_cli.errors import UsageError


def test_a_line_is_a_question_a_command_or_the_path_of_an_image(
    fake: FakeSession, image: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = fake.enter("", "what?", "/marks", f"'{image}'")
    assert capsys.readouterr().out.count("\n") == 1
    assert printed.startswith("no marks\n")
    assert fake.input.questions == [f"open {image}?"]
    assert "200x100, no marks" in printed


def test_an_interactive_session_prints_errors_and_a_pipe_raises_them(
    fake: FakeSession, capsys: pytest.CaptureFixture[str]
) -> None:
    printed = fake.enter("/unmark 1", "what?")
    assert printed == "error: there are no marks to remove\n"
    assert capsys.readouterr().out.count("\n") == 1
    fake.session.is_interactive = False
    fake.input.lines = iter(["/unmark 1", "what?"])
    with pytest.raises(UsageError, match="no marks to remove"):
        run_chat(fake.session)


def test_exit_ends_the_session(fake: FakeSession, capsys: pytest.CaptureFixture[str]) -> None:
    fake.enter("/exit", "what?")
    assert capsys.readouterr().out == ""


def test_an_image_and_a_question_in_one_line_open_and_ask(
    fake: FakeSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "my other.png"
    Image.new("RGB", (50, 60)).save(path)
    printed = fake.enter(f"'{path}' what is it?", f"{path} and this?")
    assert fake.input.questions == [], "the question shows that the image is meant"
    assert printed == f"{path}, 50x60, no marks\n", "the same image is not opened again"
    assert [turn.question for turn in fake.chat.state.turns] == ["what is it?", "and this?"]
    assert capsys.readouterr().out.count("\n") == 2


def test_a_question_about_the_open_image_keeps_its_marks(fake: FakeSession, image: Path) -> None:
    fake.enter("/box 10,10,50,50", f"{image} what is {{1}}?")
    assert len(fake.chat.state.marked_image.marks) == 1
    assert fake.chat.state.turns[0].question == "what is the object within the red rectangle?"


def test_an_image_that_does_not_exist_is_part_of_the_question(fake: FakeSession) -> None:
    printed = fake.enter("missing.png what is it?")
    assert printed == "note: there is no file missing.png: its name is part of the question\n"
    assert fake.chat.state.turns[0].question == "missing.png what is it?"


def test_an_image_that_does_not_open_is_not_asked_about(fake: FakeSession, tmp_path: Path) -> None:
    path = tmp_path / "broken.png"
    path.write_text("text")
    for line in (f"{path} what?", f"/image {path} what?"):
        assert "is not an image" in fake.enter(line)
    assert fake.chat.state.turns == ()
