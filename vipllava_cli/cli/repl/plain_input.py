"""Line input without redrawing: from a pipe or a file, or from a terminal with `--plain`."""

import sys

from vipllava_cli.cli.terminal.messages import one_line

QUOTES = '"""'


class LineAbandoned(KeyboardInterrupt):
    """Ctrl-C on a line that has text: it discards the line and does not count towards leaving."""


class PipeInput:
    """Reads one line of stdin at a time."""

    def read(self) -> str:
        """See `LineInput.read`. Bytes that are not UTF-8 become surrogates."""
        if sys.stdin is None:
            raise EOFError
        line = sys.stdin.buffer.readline()
        if not line:
            raise EOFError
        return line.decode("utf-8", "surrogateescape").rstrip("\r\n")

    def confirm(self, question: str) -> bool:
        """Return True: a pipe cannot answer."""
        return True


class PlainInput(PipeInput):
    """Reads lines that a person types after a prompt; three quotes enclose several lines."""

    def read(self) -> str:
        """See `LineInput.read`."""
        text = self._read_line("> ")
        if not text.lstrip().startswith(QUOTES):
            return text
        while not is_closed(text):
            text += "\n" + self._read_line("")
        return strip_quotes(text)

    def confirm(self, question: str) -> bool:
        """Return False if the answer starts with n, else True."""
        answer = self._read_line(f"{one_line(question)} [Y/n] ")
        return not answer.strip().lower().startswith("n")

    def _read_line(self, prompt: str) -> str:
        stream = sys.stdout if sys.stdout.isatty() else sys.stderr
        stream.write(prompt)
        stream.flush()
        return super().read()


def is_closed(text: str) -> bool:
    """Return whether a text is complete: it has no opening quotes, or closing ones as well."""
    body = text.strip()
    return not body.startswith(QUOTES) or (len(body) >= 6 and body.endswith(QUOTES))


def strip_quotes(text: str) -> str:
    """Remove the three quotes around a text, if it has them."""
    body = text.strip()
    return body[3:-3].strip() if body.startswith(QUOTES) and is_closed(text) else text
