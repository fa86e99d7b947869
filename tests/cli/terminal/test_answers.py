"""Renderers of answers without a terminal, and Ctrl-C during an answer."""

import io
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.fake_engine import FakeEngine
from vipllava_cli.cli.terminal.answers import (
    AnswerTask,
    LineRenderer,
    PlainRenderer,
    TerminalRenderer,
    stop_on_ctrl_c,
)
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.state import ChatState, RecordedTurn
from vipllava_cli.marks.marked_image import MarkedImage, open_image


@pytest.fixture
def chat(image: Path) -> Chat:
    return Chat(FakeEngine(), print, ChatState(MarkedImage(open_image(str(image)))))


def ask(chat: Chat, *, interrupt: bool = False) -> AnswerTask:
    """Return a task that asks a question, and that Ctrl-C interrupts."""

    def task(on_text: Callable[[str], None], stop: Callable[[], bool]) -> RecordedTurn | None:
        if interrupt:
            signal.raise_signal(signal.SIGINT)
        return chat.ask("what?", on_text, stop)

    return task


def test_the_first_ctrl_c_stops_and_the_second_interrupts() -> None:
    previous = signal.getsignal(signal.SIGINT)
    with stop_on_ctrl_c() as stop:
        assert not stop()
        signal.raise_signal(signal.SIGINT)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is previous


@pytest.mark.parametrize("renderer", [PlainRenderer(), LineRenderer()])
def test_an_answer_is_one_line_of_stdout(
    chat: Chat, renderer: PlainRenderer | LineRenderer, capsys: pytest.CaptureFixture[str]
) -> None:
    turn = renderer.render(ask(chat))
    assert turn
    assert capsys.readouterr().out == f"{turn.answer}\n"


def test_a_stopped_answer_stays_in_a_terminal_and_ends_a_pipe(chat: Chat) -> None:
    turn = PlainRenderer().render(ask(chat, interrupt=True))
    assert turn
    assert turn.record.finish_reason == "stopped"
    with pytest.raises(KeyboardInterrupt):
        LineRenderer().render(ask(chat, interrupt=True))


def test_spinners_have_characters_of_the_terminal(chat: Chat) -> None:
    shown = io.BytesIO()
    stream = io.TextIOWrapper(shown, "latin-1", "backslashreplace", write_through=True)
    messages = Messages(console=Console(file=stream, force_terminal=True))
    with messages.waiting("loading"):
        pass
    TerminalRenderer(messages).render(ask(chat))
    assert b"loading" in shown.getvalue()
    assert b"\\u" not in shown.getvalue()
