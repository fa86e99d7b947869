"""Renderers for the answers of a chat: live Markdown, plain text, or one line for a pipe."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.markdown import markdown
from vipllava_cli.cli.terminal.messages import (
    Messages,
    print_answer,
    print_piece,
    spinner_name,
)
from vipllava_cli.flows.chat.state import RecordedTurn

# Generates an answer. Takes `on_text`, for each piece of text, and `stop`, which returns True when
# the user stops the answer. Returns None if there is no answer.
AnswerTask = Callable[[Callable[[str], None], Callable[[], bool]], RecordedTurn | None]


class AnswerRenderer(Protocol):
    """Shows answers."""

    def render(self, task: AnswerTask) -> RecordedTurn | None:
        """Run a task and show its answer. Ctrl-C stops the answer; a second one interrupts."""
        ...


@contextmanager
def stop_on_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether the user pressed Ctrl-C. A second Ctrl-C interrupts."""
    pressed = threading.Event()

    def on_signal(number: int, frame: object) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    previous = signal.signal(signal.SIGINT, on_signal)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, previous)


class TerminalRenderer:
    """Shows the text while it grows, then replaces it by its rendered Markdown."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._console = Console(highlight=False)

    def render(self, task: AnswerTask) -> RecordedTurn | None:
        """See `AnswerRenderer.render`."""
        growing = _GrowingText(spinner_name(self._messages.console))
        # The live text uses the console of the notes, so that Rich prints notes above it.
        live = Live(growing, console=self._messages.console, transient=True, refresh_per_second=12)
        with stop_on_ctrl_c() as stop, live:
            turn = task(growing.add, stop)
        if turn is not None:
            self._console.print(markdown(turn.answer))
        return turn


class _GrowingText:
    """A spinner before the first piece of text, then the last lines that fit on the screen."""

    def __init__(self, spinner: str) -> None:
        self._text = ""
        self._spinner = Spinner(spinner)

    def add(self, piece: str) -> None:
        self._text += piece

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._text:
            yield self._spinner
            return
        lines = Text(safe(self._text)).wrap(console, options.max_width)
        yield Text("\n").join(lines[-max(console.height - 2, 1) :])


class PlainRenderer:
    """Writes each piece of an answer to stdout as it comes."""

    def render(self, task: AnswerTask) -> RecordedTurn | None:
        """See `AnswerRenderer.render`."""
        with stop_on_ctrl_c() as stop:
            turn = task(print_piece, stop)
        print_piece("\n")
        return turn


class LineRenderer:
    """Writes each answer as one line of stdout."""

    def render(self, task: AnswerTask) -> RecordedTurn | None:
        """See `AnswerRenderer.render`. Without a terminal, Ctrl-C raises KeyboardInterrupt."""
        with stop_on_ctrl_c() as stop:
            turn = task(lambda piece: None, stop)
            if stop():
                raise KeyboardInterrupt
        if turn is not None:
            print_answer(turn.answer, single_line=True)
        return turn
