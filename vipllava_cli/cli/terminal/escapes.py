"""Escape the characters of a text on which a terminal may act. Imports nothing: every start does."""

from collections.abc import Iterable
from typing import IO, Any

# Control characters, escape sequences, line separators and overrides of the writing direction, except
# \n and \t.
UNSAFE = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (
        *(c for c in range(32) if c not in (9, 10)),
        *range(127, 160),
        *range(0x2028, 0x202F),
        *range(0x2066, 0x206A),
    )
}


def safe(text: str) -> str:
    """Escape control characters, so that no terminal acts on them."""
    return text.translate(UNSAFE).encode("utf-8", "replace").decode("utf-8")


class EscapedStream:
    """A stream for texts of anybody: tracebacks, and the warnings and logs of libraries.

    Rich writes to `rich_proxied_file`, the stream itself: this program escapes what it gives to Rich.
    """

    def __init__(self, stream: IO[str]) -> None:
        self.rich_proxied_file = stream

    def write(self, text: str) -> int:
        """Write a text with its control characters escaped."""
        self.rich_proxied_file.write(safe(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write several texts."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.rich_proxied_file, name)


def unescaped(stream: IO[str]) -> IO[str]:
    """Return the stream below, for a text that is escaped already."""
    while hasattr(stream, "rich_proxied_file"):
        stream = stream.rich_proxied_file
    return stream
