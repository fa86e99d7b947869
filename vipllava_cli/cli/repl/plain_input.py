"""Questions from plain lines: a pipe, a file, or a terminal on which nothing may be redrawn."""

import sys

from vipllava_cli.cli.terminal.messages import one_line

QUOTES = '"""'


class LineAbandoned(KeyboardInterrupt):
    """Ctrl-C over a line that was begun: the line is given up, and no more is meant by it."""


class Lines:
    """A question a line from stdin."""

    def read(self) -> str:
        """The next line. Raises EOFError at the end."""
        if sys.stdin is None:
            raise EOFError
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        return line.decode("utf-8", "surrogateescape").rstrip("\r\n")

    def confirm(self, question: str) -> bool:
        """Nobody is there to be asked."""
        return True


class TypedLines(Lines):
    """Lines that somebody types after a prompt; three quotes begin and end several of them."""

    def read(self) -> str:
        """See `Lines.read`."""
        text = self._line("> ")
        if not text.lstrip().startswith(QUOTES):
            return text
        while not is_closed(text):
            text += "\n" + self._line("")
        return strip_quotes(text)

    def confirm(self, question: str) -> bool:
        """Yes unless the answer begins with an n."""
        return not self._line(f"{one_line(question)} [Y/n] ").strip().lower().startswith("n")

    def _line(self, prompt: str) -> str:
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        stream.write(prompt)
        stream.flush()
        return super().read()


def is_closed(text: str) -> bool:
    """Whether a text is ready: it does not begin with three quotes, or ends with three others."""
    body = text.strip()
    return not body.startswith(QUOTES) or (len(body) >= 6 and body.endswith(QUOTES))


def strip_quotes(text: str) -> str:
    """The text without the three quotes around it."""
    body = text.strip()
    return body[3:-3].strip() if body.startswith(QUOTES) and is_closed(text) else text
