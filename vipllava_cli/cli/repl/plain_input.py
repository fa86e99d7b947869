"""Line input without redrawing: from a pipe or a file, or from a terminal with `--plain`."""

import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rich.cells import cell_len

from vipllava_cli.cli.terminal.escapes import safe, unescaped
from vipllava_cli.cli.terminal.keyboard import Keyboard
from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.errors import InputError, UsageError

QUOTES = '"""'
MAX_TYPED_LENGTH = 50_000  # characters of a line typed ahead
MAX_LINE_BYTES = 1_000_000  # of stdin
YES, NO = frozenset({"", "y", "yes"}), frozenset({"n", "no"})


class LineAbandoned(KeyboardInterrupt):
    """Ctrl-C on a line that has text: it discards the line and does not count towards leaving."""


def ask_yes_no(question: str, read_line: Callable[[str], str]) -> bool:
    """Ask until the answer is yes, no or an empty line, which means yes.

    Any other line is a question that the user typed ahead: it must not confirm.
    """
    prompt = f"{one_line(question)} [Y/n] "
    while True:
        answer = read_line(prompt).strip().lower()
        if answer in YES | NO:
            return answer in YES


class PipeInput:
    """Reads one line of stdin at a time."""

    def read(self) -> str:
        """See `LineInput.read`. Bytes that are not UTF-8 become surrogates. Raises InputError.

        A file of questions may start with a byte order mark, as editors on Windows write it.
        """
        if sys.stdin is None:
            raise EOFError
        try:
            line = sys.stdin.buffer.readline(MAX_LINE_BYTES + 1)
        except OSError as error:
            raise InputError(f"standard input cannot be read: {error.strerror}") from None
        if not line:
            raise EOFError
        if len(line) > MAX_LINE_BYTES:
            _skip_line(line)
            raise UsageError(
                f"a line of stdin has more than {MAX_LINE_BYTES:,} bytes: expected one question"
                " per line"
            )
        return line.decode("utf-8", "surrogateescape").removeprefix("\ufeff").rstrip("\r\n")

    def confirm(self, question: str) -> bool:
        """Return True: a pipe cannot answer."""
        return True


def _skip_line(start: bytes) -> None:
    """Read the rest of a line."""
    while start and not start.endswith(b"\n"):
        start = sys.stdin.buffer.readline(MAX_LINE_BYTES)


class PlainInput(PipeInput):
    """Reads lines that a person types after a prompt; three quotes enclose several lines."""

    def __init__(self, keyboard: Keyboard | None = None) -> None:
        self._keyboard = keyboard or Keyboard()
        self._keys_ahead = deque[str]()  # typed before the prompt, and not read yet

    def read(self) -> str:
        """See `LineInput.read`."""
        text = self._read_line("> ")
        if not text.lstrip().startswith(QUOTES):
            return text
        while not is_closed(text):
            text += "\n" + self._read_line("")
        return strip_quotes(text)

    def confirm(self, question: str) -> bool:
        """Return whether the user agrees."""
        return ask_yes_no(question, self._read_line)

    def _read_line(self, prompt: str) -> str:
        try:
            if self._has_key(wait=False):
                _write(prompt)
                line = self._read_typed_line()
                if line is not None:
                    return line
                prompt = ""
            # Nothing is typed ahead: the terminal echoes and edits the line. The prompt comes after
            # the change of its modes, so that everything typed after the prompt is echoed.
            with self._keyboard.echoing():
                _write(prompt)
                return super().read()
        except KeyboardInterrupt:
            _write("\n")
            raise

    def _read_typed_line(self) -> str | None:
        """Return the line whose first keys were typed ahead; None if all its text is erased."""
        line = TypedLine()
        try:
            while self._has_key(wait=bool(line.text)):
                key = self._keys_ahead.popleft()
                if key in "\r\n":
                    _write("\n")
                    return line.text
                if key == _END and not line.text:
                    raise EOFError
                _write(line.press(key))
        except KeyboardInterrupt:
            raise (LineAbandoned if line.text else KeyboardInterrupt) from None
        return None

    def _has_key(self, *, wait: bool) -> bool:
        """Return whether there is a typed key to read; `wait` for one."""
        if not self._keys_ahead:
            self._keys_ahead.extend(self._keyboard.read(wait=wait))
        return bool(self._keys_ahead)


_END = "\x04"  # Ctrl-D


@dataclass
class TypedLine:
    """A line whose first keys were typed before its prompt, edited as a terminal would edit it."""

    text: str = ""

    def press(self, key: str) -> str:
        """Add or erase text. Returns what to write on the screen."""
        if key in "\b\x7f":
            return self._erase_from(len(self.text) - 1)
        if key == "\x15":  # Ctrl-U
            return self._erase_from(0)
        if key == "\x17":  # Ctrl-W
            return self._erase_from(self.text.rstrip().rfind(" ") + 1)
        if key == _END:
            return ""
        if len(self.text) == MAX_TYPED_LENGTH:
            return "\a"
        self.text += key
        return _visible(key)

    def _erase_from(self, length: int) -> str:
        cells = cell_len(_visible(self.text[max(length, 0) :]))
        self.text = self.text[: max(length, 0)]
        return "\b \b" * cells


def _visible(text: str) -> str:
    return safe(text).replace("\t", " ")


def _write(text: str) -> None:
    """Write on the terminal: stdout, unless it goes to a file."""
    stream = sys.stdout if sys.stdout.isatty() else unescaped(sys.stderr)
    stream.write(text)
    stream.flush()


def is_closed(text: str) -> bool:
    """Return whether a text is complete: it has no opening quotes, or closing ones as well."""
    body = text.strip()
    return not body.startswith(QUOTES) or (len(body) >= 6 and body.endswith(QUOTES))


def strip_quotes(text: str) -> str:
    """Remove the three quotes around a text, if it has them."""
    body = text.strip()
    return body[3:-3].strip() if body.startswith(QUOTES) and is_closed(text) else text
