"""The chat loop: questions, commands, dropped images, errors."""

from pathlib import Path

import pytest

from tests.support.chat_session import FakeSession
from vipllava_cli.cli.repl.loop import find_dropped_image, run_chat
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


def test_an_image_path_is_found_however_a_terminal_pastes_it(tmp_path: Path) -> None:
    path = tmp_path / "my cat's.PNG"
    path.write_bytes(b"")
    for text in (
        str(path),
        f'"{path}"',
        str(path).replace(" ", "\\ ").replace("'", "\\'"),
        path.as_uri(),
        f"  {path}\n",
    ):
        assert find_dropped_image(text) == str(path), text
    for text in ("what is it?", f"{path}x", f"{path} {path}", "'", "\0.png", "a" * 10**6):
        assert find_dropped_image(text) is None
