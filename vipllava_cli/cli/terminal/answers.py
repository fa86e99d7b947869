"""How an answer of a conversation is shown: on a terminal, plainly, or a line each for a pipe."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from vipllava_cli.cli.terminal.markdown import markdown
from vipllava_cli.cli.terminal.messages import Messages, print_answer, print_piece, safe
from vipllava_cli.flows.chat.chat import RecordedTurn

# Makes an answer: it is given what takes its pieces, and what says that it should stop.
AnswerTask = Callable[[Callable[[str], None], Callable[[], bool]], RecordedTurn | None]


class AnswerRenderer(Protocol):
    """Shows answers."""

    def answer(self, work: AnswerTask) -> RecordedTurn | None:
        """Show the answer that the work makes; Ctrl-C stops it."""
        ...


@contextmanager
def stop_on_ctrl_c() -> Iterator[Callable[[], bool]]:
    """Yields what says whether there was a Ctrl-C; a second one breaks off at once."""
    asked = threading.Event()

    def first(number: int, frame: object) -> None:
        asked.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    before = signal.signal(signal.SIGINT, first)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


class TerminalRenderer:
    """Shows the answer while it grows, and in its place its Markdown when it is finished."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._console = Console(highlight=False)

    def answer(self, work: AnswerTask) -> RecordedTurn | None:
        """See `AnswerRenderer.answer`. What grows is on the console of the notes, which keeps them apart."""
        growing = _Growing()
        live = Live(growing, console=self._messages.console, transient=True, refresh_per_second=12)
        with stop_on_ctrl_c() as stop, live:
            turn = work(growing.add, stop)
        if turn is not None:
            self._console.print(markdown(turn.answer))
        return turn


class _Growing:
    """A spinner until the first words, then the end of the text, as much as fits on the screen."""

    def __init__(self) -> None:
        self._text = ""
        self._spinner = Spinner("dots")

    def add(self, piece: str) -> None:
        self._text += piece

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if not self._text:
            yield self._spinner
            return
        lines = Text(safe(self._text)).wrap(console, options.max_width)
        yield Text("\n").join(lines[-max(console.height - 2, 1) :])


class PlainRenderer:
    """Writes an answer as it comes, and nothing else."""

    def answer(self, work: AnswerTask) -> RecordedTurn | None:
        """See `AnswerRenderer.answer`."""
        with stop_on_ctrl_c() as stop:
            turn = work(print_piece, stop)
        print_piece("\n")
        return turn


class LineRenderer:
    """Writes an answer on one line of stdout."""

    def answer(self, work: AnswerTask) -> RecordedTurn | None:
        """See `AnswerRenderer.answer`. Raises KeyboardInterrupt for a stopped one: nobody sits there."""
        with stop_on_ctrl_c() as stop:
            turn = work(lambda piece: None, stop)
            if stop():
                raise KeyboardInterrupt
        if turn is not None:
            print_answer(turn.answer, single_line=True)
        return turn
