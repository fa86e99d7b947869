"""Keys that a person types while a chat loads or answers, and the modes of the terminal."""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.conftest import SAMPLES
from tests.support.chat_terminal import TIMEOUT, open_chat
from tests.support.terminal import Terminal
from tests.support.waiting_chat import FIRST_WORD
from vipllava_cli.errors import ExitCode
from vipllava_cli.flows.chat.session_file import read_session

pytestmark = [pytest.mark.terminal, pytest.mark.slow]

NORMAL = (True, True, True)  # echo, lines, signals: as a shell leaves the terminal
HIDDEN = (False, False, True)

both_prompts = pytest.mark.parametrize("flags", [(), ("--plain",)], ids=["full", "plain"])


@pytest.fixture
def waiting(tmp_path: Path) -> Path:
    """The file that makes the stand-in for the model wait."""
    path = tmp_path / "wait"
    path.touch()
    return path


@contextmanager
def chat(waiting: Path, *flags: str) -> Iterator[Terminal]:
    """Start a chat whose conversation is saved to the file `saved` beside `waiting`."""
    arguments = [str(SAMPLES / "garden.png"), "--save", str(waiting.with_name("saved")), *flags]
    home, env = waiting.with_name("home"), {"WAIT": str(waiting)}
    with open_chat("tests.support.waiting_chat", *arguments, home=home, env=env) as talk:
        yield talk


def questions(waiting: Path) -> list[str]:
    """Return the questions of the saved conversation."""
    return [turn.question for turn in read_session(str(waiting.with_name("saved"))).turns]


def until_hidden(talk: Terminal) -> None:
    """Wait until the terminal hides what is typed."""
    talk.until_true(lambda shown: talk.modes() == HIDDEN, "hidden typing", TIMEOUT)


def until_prompt(talk: Terminal, flags: tuple[str, ...], text: str = "") -> str:
    """Wait for a prompt that shows `text` as the start of the line. Returns the output before it."""
    if flags:
        return talk.until(f"> {text}", TIMEOUT)
    before = talk.prompt(TIMEOUT)
    talk.until(text, TIMEOUT)
    return before


def ask(talk: Terminal, waiting: Path, question: str) -> None:
    """Ask a question, and wait for the first word of the answer, which then waits."""
    waiting.touch()
    talk.type(f"{question}\r")
    talk.until(FIRST_WORD, TIMEOUT)
    assert talk.modes() == HIDDEN


def stop_and_continue(talk: Terminal) -> None:
    """Stop the process as Ctrl-Z does, check the terminal, and continue the process."""
    os.kill(talk.process, signal.SIGTSTP)
    talk.until_true(lambda shown: is_stopped(talk.process), "stopped process", TIMEOUT)
    assert talk.modes() == NORMAL
    os.kill(talk.process, signal.SIGCONT)


def is_stopped(process: int) -> bool:
    """Return whether a process is stopped. A signal to continue has no effect before."""
    return psutil.Process(process).status() == psutil.STATUS_STOPPED


def leave(talk: Terminal, flags: tuple[str, ...]) -> None:
    """Leave the chat at its next prompt."""
    until_prompt(talk, flags)
    talk.type("\x04")
    assert talk.wait(TIMEOUT) == 0


@both_prompts
def test_keys_typed_while_the_model_loads_appear_at_the_first_prompt(
    waiting: Path, flags: tuple[str, ...]
) -> None:
    with chat(waiting, *flags) as talk:
        until_hidden(talk)
        talk.type("wat")
        assert "wat" not in talk.listen(0.3)
        waiting.unlink()
        until_prompt(talk, flags, "wat")
        talk.type("\x7f\x7fhat?\r")
        talk.until(FIRST_WORD, TIMEOUT)
        leave(talk, flags)
        assert talk.modes() == NORMAL
    assert questions(waiting) == ["what?"]


@both_prompts
def test_keys_typed_during_an_answer_wait_for_the_next_prompt(
    waiting: Path, flags: tuple[str, ...]
) -> None:
    waiting.unlink()
    with chat(waiting, *flags) as talk:
        until_prompt(talk, flags)
        ask(talk, waiting, "one?")
        talk.type("two?\rthrex\x7fe \u00fc\u8c61?\rand")
        assert "two" not in talk.listen(0.3)
        waiting.unlink()
        for text in ("two?", "thr", "and"):
            until_prompt(talk, flags, text)
        talk.type(" four?\r")
        talk.until(FIRST_WORD, TIMEOUT)
        leave(talk, flags)
    assert questions(waiting) == ["one?", "two?", "three \u00fc\u8c61?", "and four?"]


@both_prompts
def test_ctrl_c_stops_the_answer_and_keeps_what_is_typed(
    waiting: Path, flags: tuple[str, ...]
) -> None:
    waiting.unlink()
    with chat(waiting, *flags) as talk:
        until_prompt(talk, flags)
        ask(talk, waiting, "one?")
        talk.type("two\x03")
        assert "answer stopped" in until_prompt(talk, flags, "two")
        talk.type("\x03")
        talk.until("press Ctrl-C again", TIMEOUT)


@both_prompts
def test_a_stopped_process_gives_the_terminal_back_and_hides_typing_again(
    waiting: Path, flags: tuple[str, ...]
) -> None:
    waiting.unlink()
    with chat(waiting, *flags) as talk:
        until_prompt(talk, flags)
        ask(talk, waiting, "one?")
        stop_and_continue(talk)
        until_hidden(talk)
        waiting.unlink()
        until_prompt(talk, flags)


WITHOUT_SHELL = """
import fcntl, os, signal, termios
from vipllava_cli.cli.terminal.keyboard import hidden_typing
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
with hidden_typing(is_interactive=True, is_plain=True):
    os.kill(os.getpid(), signal.SIGTSTP)
    print(bool(termios.tcgetattr(0)[3] & termios.ECHO))
"""


def test_a_process_that_no_shell_can_stop_goes_on_hiding_what_is_typed() -> None:
    controller, terminal = pty.openpty()
    command = [sys.executable, "-c", WITHOUT_SHELL]
    try:
        done = subprocess.run(
            command,
            check=True,
            stdin=terminal,
            capture_output=True,
            text=True,
            start_new_session=True,
        )
    finally:
        os.close(controller)
        os.close(terminal)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_a_prompt_that_was_stopped_is_drawn_again(waiting: Path) -> None:
    waiting.unlink()
    with chat(waiting) as talk:
        talk.prompt(TIMEOUT)
        talk.type("half a")
        talk.until("half a", TIMEOUT)
        stop_and_continue(talk)
        talk.until("> half a", TIMEOUT)
        talk.type(" question?\r")
        talk.until(FIRST_WORD, TIMEOUT)
        talk.prompt(TIMEOUT)
    assert questions(waiting) == ["half a question?"]


@both_prompts
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_ends_the_process_leaves_the_terminal_as_before(
    waiting: Path, flags: tuple[str, ...], number: signal.Signals
) -> None:
    waiting.unlink()
    with chat(waiting, *flags) as talk:
        until_prompt(talk, flags)
        ask(talk, waiting, "one?")
        talk.type("rm everything\r")
        os.kill(talk.process, number)
        assert talk.wait(TIMEOUT) == 128 + number
        assert talk.modes() == NORMAL


@both_prompts
def test_a_crash_leaves_the_terminal_as_before(waiting: Path, flags: tuple[str, ...]) -> None:
    waiting.unlink()
    with chat(waiting, *flags) as talk:
        until_prompt(talk, flags)
        talk.type("crash?\r")
        assert talk.wait(TIMEOUT) == ExitCode.BUG
        assert talk.modes() == NORMAL


def test_ctrl_c_while_the_model_loads_leaves_nothing_for_the_shell(waiting: Path) -> None:
    with chat(waiting) as talk:
        until_hidden(talk)
        talk.type("what is this?\r\x03")
        assert talk.wait(TIMEOUT) == ExitCode.INTERRUPTED
        assert talk.modes() == NORMAL
