"""The keyboard during a chat: keys typed while the program works are not echoed, and are not lost.

The terminal echoes keys at once, wherever the cursor is, so that they would mix with a growing answer.
"""

import codecs
import os
import select
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from vipllava_cli.storage.ending import (
    has_default_action,
    remove_temporary_files,
    signal_exit_code,
)

if sys.platform != "win32":
    import termios

_SHOW_CURSOR = b"\x1b[?25h\x1b[?2004l"  # and no bracketed paste, which the prompt turns on


class Keyboard:
    """The terminal of stdin, or nothing if `descriptor` is None: then every method does nothing.

    While its typing is hidden, the terminal stores keys unchanged until a prompt reads them. Ctrl-C
    and Ctrl-Z stay signals, and do not discard the stored keys.
    """

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor
        self._before: Any = None if descriptor is None else termios.tcgetattr(descriptor)
        self._is_hidden = False
        self._on_continue: Callable[[], None] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    @contextmanager
    def echoing(self) -> Iterator[None]:
        """Give the terminal back as it was before the chat, for a block that reads from it."""
        self.show()
        try:
            yield
        finally:
            self.hide()

    @contextmanager
    def lent(self, on_continue: Callable[[], None]) -> Iterator[None]:
        """Leave the modes of the terminal to a block that sets its own, and resets them.

        `on_continue` is called when the process continues after it was stopped: the shell has
        changed the modes in between.
        """
        self._on_continue = on_continue
        try:
            yield
        finally:
            self._on_continue = None

    def read(self, *, wait: bool) -> str:
        """Return the keys that are typed already; with `wait`, at least one, or none at the end."""
        if self._descriptor is None:
            return ""
        text, is_incomplete = "", False  # incomplete: a part of a character of several bytes
        while True:
            seconds = None if is_incomplete or (wait and not text) else 0
            if not select.select([self._descriptor], [], [], seconds)[0]:
                return text
            data = os.read(self._descriptor, 1024)
            if not data:
                return text
            text += self._decoder.decode(data)
            is_incomplete = bool(self._decoder.getstate()[0])

    def hide(self) -> None:
        """Stop the echo, and store keys unchanged."""
        self._is_hidden = True
        self._set(self._hidden())

    def show(self) -> None:
        """Restore the modes from before the chat."""
        self._is_hidden = False
        self._set(self._before)

    def discard(self) -> None:
        """Discard the stored keys."""
        if self._descriptor is not None:
            with suppress(termios.error):
                termios.tcflush(self._descriptor, termios.TCIFLUSH)

    def before_stop(self) -> None:
        """Give the terminal to the shell as it was before the chat."""
        self._set(self._before)

    def after_stop(self) -> None:
        """Set the modes again that the shell has changed while the process was stopped."""
        if self._on_continue is not None:
            self._on_continue()
        elif self._is_hidden:
            self.hide()

    def _hidden(self) -> Any:
        if self._before is None:
            return None
        modes = list(self._before)
        modes[0] &= ~(termios.ICRNL | termios.INLCR | termios.IGNCR)
        modes[3] &= ~(termios.ECHO | termios.ICANON | termios.IEXTEN)
        modes[3] |= termios.ISIG | termios.NOFLSH
        modes[6] = [*modes[6]]
        modes[6][termios.VMIN], modes[6][termios.VTIME] = 1, 0
        return modes

    def _set(self, modes: Any) -> None:
        """Set the modes, unless the process runs in the background: that would stop it."""
        if self._descriptor is None:
            return
        with suppress(termios.error, OSError):
            if os.tcgetpgrp(self._descriptor) == os.getpgrp():
                termios.tcsetattr(self._descriptor, termios.TCSANOW, modes)


@contextmanager
def hidden_typing(*, is_interactive: bool, is_plain: bool) -> Iterator[Keyboard]:
    """Hide what a person types while the block runs, except when it reads a line.

    However the block ends, the terminal is as before. An error discards the keys: a question for the
    chat must not become a command of the shell.
    """
    if sys.platform == "win32" or not is_interactive:
        yield Keyboard()
        return
    keyboard = Keyboard(sys.stdin.fileno())

    def give_terminal() -> None:
        """Give the terminal to the shell."""
        keyboard.before_stop()
        if not is_plain:
            with suppress(OSError):  # the terminal is closed
                os.write(sys.stdout.fileno(), _SHOW_CURSOR)

    def on_end(number: int, frame: object) -> None:
        keyboard.discard()
        remove_temporary_files()
        give_terminal()
        os._exit(signal_exit_code(number))

    def on_stop(number: int, frame: object) -> None:
        give_terminal()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)  # the process stops here, and continues
        signal.signal(number, on_stop)
        # without a shell, as in a container, the system does not stop the process
        keyboard.after_stop()

    def on_continue(number: int, frame: object) -> None:
        keyboard.after_stop()

    handlers = {
        **dict.fromkeys((signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT), on_end),
        signal.SIGTSTP: on_stop,
        signal.SIGCONT: on_continue,
    }
    with _default_signals_handled(handlers):
        try:
            keyboard.hide()
            yield keyboard
        except BaseException:
            keyboard.discard()
            raise
        finally:
            keyboard.show()


@contextmanager
def _default_signals_handled(
    handlers: Mapping[signal.Signals, Callable[[int, Any], None]],
) -> Iterator[None]:
    """Handle signals while the block runs, but none that is ignored, as under `nohup`."""
    numbers = filter(has_default_action, handlers)
    previous = {number: signal.signal(number, handlers[number]) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
