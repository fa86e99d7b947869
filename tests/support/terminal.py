"""Run a program in a pseudo-terminal: type into it, and read what it shows."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Self

from tests.conftest import ROOT
from tests.support import warm

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[=>()][A-Z0-9]?)")

PROMPT = b"\x1b[?2004h"  # turns on bracketed paste: the program waits for a line

_MODES = (termios.ECHO, termios.ICANON, termios.ISIG)

QUERY = b"\x1b[c"  # asks for the device attributes
WITH_SIXEL, WITHOUT_SIXEL = b"\x1b[?62;4;22c", b"\x1b[?62;22c"


class Terminal:
    """A process whose stdin, stdout and stderr are a terminal of 80 columns and 24 rows.

    `received` holds all output; `seen` is the length of the part that was already returned.
    """

    def __init__(self, *arguments: str, env: Mapping[str, str], folder: Path) -> None:
        self.received = b""
        self.seen = 0
        self.code: int | None = None
        self.terminal, own = pty.openpty()
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 640, 384))
        size = {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
        environment = {**os.environ, **size, "PROMPT_TOOLKIT_NO_CPR": "1", **env}
        self.started = warm.start(*arguments, env=environment, folder=folder, streams=(own,) * 3)
        self.process = self.started.process
        os.close(own)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        if self.code is None:
            os.kill(self.process, signal.SIGKILL)
            self.started.wait()
        os.close(self.terminal)

    def type(self, text: str | bytes) -> None:
        """Send keys."""
        data = text if isinstance(text, bytes) else text.encode()
        while data:
            written = os.write(self.terminal, data[:512])
            data = data[written:]
            self._read(0)

    def until(self, text: str, seconds: float = 60) -> str:
        """Wait for a text. Returns the new output without escape sequences."""
        return self.until_true(lambda shown: text in shown, f"{text!r}", seconds)

    def until_true(self, ready: Callable[[str], bool], what: str, seconds: float = 60) -> str:
        """Wait until `ready` accepts the new output. Returns it without escape sequences."""
        deadline = time.monotonic() + seconds
        while True:
            shown = self.shown(self.seen)
            if ready(shown):
                self.seen = len(self.received)
                return shown
            if time.monotonic() > deadline or not self._read(0.2):
                raise AssertionError(f"no {what} in {shown[-2000:]!r}")

    def prompt(self, seconds: float = 60) -> str:
        """Wait until the program waits for a line. Returns the new output."""
        deadline = time.monotonic() + seconds
        while PROMPT not in self.received[self.seen :]:
            if time.monotonic() > deadline or not self._read(0.2):
                raise AssertionError(f"no prompt after {self.shown(self.seen)[-2000:]!r}")
        shown = self.shown(self.seen)
        self.seen = self.received.rindex(PROMPT) + len(PROMPT)
        return shown

    def shown(self, since: int = 0) -> str:
        """Return the output from byte `since` on, without escape sequences."""
        text = self.received[since:].decode("utf-8", "replace")
        return ESCAPES.sub("", text).replace("\r\n", "\n")

    def modes(self) -> tuple[bool, bool, bool]:
        """Return whether the terminal echoes, collects lines, and turns Ctrl-C into a signal."""
        flags = termios.tcgetattr(self.terminal)[3]
        return tuple(bool(flags & flag) for flag in _MODES)  # type: ignore[return-value]

    def quiet(self, seconds: float) -> None:
        """Wait until there is no new output for `seconds`."""
        while self._has_output(seconds):
            pass

    def listen(self, seconds: float) -> str:
        """Read output for this time. Returns the new output, which stays new."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read(0.05)
        return self.shown(self.seen)

    def _has_output(self, seconds: float) -> bool:
        count = len(self.received)
        self._read(seconds)
        return len(self.received) > count

    def wait(self, seconds: float = 60) -> int:
        """Wait for the end of the program. Returns its exit code."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._read(0.05)
            self.code = self.started.wait(0)
            if self.code is not None:
                while self._read(0):
                    pass
                return self.code
        raise AssertionError(f"still runs after {seconds} s: {self.shown()[-2000:]!r}")

    def _read(self, seconds: float) -> bool:
        """Read new output. Returns False at the end, and without output if `seconds` is 0."""
        if not select.select([self.terminal], [], [], seconds)[0]:
            return seconds > 0
        try:
            data = os.read(self.terminal, 1 << 16)
        except OSError:
            return False
        self.received += data
        return bool(data)


def run_in_terminal(
    *arguments: str | Path,
    variables: Mapping[str, str] | None = None,
    reply: bytes = WITHOUT_SIXEL,
    stdin: Path | None = None,
) -> bytes:
    """Run `vipllava` in a terminal of 80x24 cells of 8x16 pixels. Returns the bytes it receives.

    The terminal sends `reply` when the command asks for its device attributes.
    """
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    for name in ("TERM_PROGRAM", "LC_TERMINAL", "TMUX", "COLORTERM", "NO_COLOR"):
        environment.pop(name, None)
    terminal, own = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 640, 384))
    read = own if stdin is None else os.open(stdin, os.O_RDONLY)
    command = ("-m", "vipllava_cli", *map(str, arguments))
    started = warm.start(
        *command, env={**environment, **(variables or {})}, folder=Path(), streams=(read, own, own)
    )
    for stream in {read, own}:
        os.close(stream)
    received = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if QUERY in received[-8:] + data and QUERY not in received:
            os.write(terminal, reply)
        received += data
    assert started.wait() is not None
    os.close(terminal)
    return received
