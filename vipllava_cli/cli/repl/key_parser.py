"""Turn the bytes of the terminal into keys, in bounded time and memory.

Guards of prompt_toolkit 3.0.53, whose parser waits forever for the end of a paste, searches all of a
paste again for each part of it, and keeps every prefix of an escape sequence that never ends.
"""

from collections.abc import Callable
from typing import Self

from prompt_toolkit.application import get_app
from prompt_toolkit.input import Input
from prompt_toolkit.input import vt100_parser as library
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

MAX_PASTE_LENGTH = 50_000  # characters; prompt_toolkit takes seconds to lay out more
PASTE_SECONDS = 1.0  # of silence after which a paste has no end
KEY_SECONDS = 0.5  # of silence after which Escape is a key: the default of prompt_toolkit

_PASTE_END = "\x1b[201~"
_INTERRUPT = "\x03"
_MAX_SEQUENCE = 40  # characters of an escape sequence; the longest known ones have 20
_MIN_RUN = 32  # characters that come together and are inserted together
_RAW_BYTES = frozenset(map(chr, range(0xDC80, 0xDD00)))  # that are not UTF-8, as surrogates
_MAX_PREFIXES = 10_000  # in the cache of the library's parser


class Paste(str):
    """A pasted text. Without `is_ended`, its end never came. `length` counts also what is left out."""

    is_ended: bool
    length: int

    def __new__(cls, text: str, length: int, *, is_ended: bool) -> Self:
        paste = super().__new__(cls, text)
        paste.is_ended, paste.length = is_ended, length
        return paste


class BoundedParser(library.Vt100Parser):
    """A parser that ends a paste at Ctrl-C or after a silence, and bounds what it keeps."""

    def __init__(self, feed_key_callback: Callable[[KeyPress], None]) -> None:
        super().__init__(feed_key_callback)
        self._start_paste()
        self._since_escape = _MAX_SEQUENCE

    def feed(self, data: str) -> None:
        """Parse text that the terminal sent."""
        if len(library._IS_PREFIX_OF_LONGER_MATCH_CACHE) > _MAX_PREFIXES:
            library._IS_PREFIX_OF_LONGER_MATCH_CACHE.clear()
        while data:
            data = self._feed_paste(data) if self._in_bracketed_paste else self._feed_keys(data)
        get_app().ttimeoutlen = PASTE_SECONDS if self._in_bracketed_paste else KEY_SECONDS

    def flush(self) -> None:
        """Handle what is incomplete: the terminal has been silent for a while."""
        if self._in_bracketed_paste:
            self._collect(self._end_prefix)
            self._end_paste(is_ended=False)
        else:
            super().flush()

    # --- keys --------------------------------------------------------------------------------

    def _feed_keys(self, data: str) -> str:
        """Parse text outside a paste. Returns the rest, from the start of a paste on."""
        at = 0
        while at < len(data):
            end = self._run_end(data, at)
            if end - at >= _MIN_RUN:
                paste = Paste(data[at:end], end - at, is_ended=True)
                self.feed_key_callback(KeyPress(Keys.BracketedPaste, paste))
                at = end
                continue
            self._feed_key(data[at])
            at += 1
            if self._in_bracketed_paste:
                self._start_paste()
                return data[at:]
        return ""

    def _run_end(self, data: str, at: int) -> int:
        """Return the end of the printable characters from `at` on that belong to no escape sequence.

        Bytes that are not UTF-8 count too: a text in another encoding may be typed by a program.
        """
        if self._since_escape < _MAX_SEQUENCE:
            return at
        end = at
        while end < len(data) and (data[end].isprintable() or data[end] in _RAW_BYTES):
            end += 1
        return end

    def _feed_key(self, character: str) -> None:
        if character == "\x1b":
            self._since_escape = 0
        elif self._since_escape < _MAX_SEQUENCE:
            self._since_escape += 1
            if self._since_escape == _MAX_SEQUENCE:
                super().flush()
        self._input_parser.send(character)

    # --- a paste -----------------------------------------------------------------------------

    def _start_paste(self) -> None:
        self._parts: list[str] = []
        self._length = 0
        self._end_prefix = ""  # the start of `_PASTE_END`, perhaps

    def _feed_paste(self, data: str) -> str:
        """Collect a part of a paste. Returns the rest, from the end of the paste on."""
        text = self._end_prefix + data
        self._end_prefix = ""
        end = text.find(_PASTE_END)
        if end >= 0:
            self._collect(text[:end])
            self._end_paste(is_ended=True)
            return text[end + len(_PASTE_END) :]
        stop = text.find(_INTERRUPT)
        if stop >= 0:
            self._in_bracketed_paste = False
            self._start_paste()
            self._since_escape = _MAX_SEQUENCE
            return text[stop:]
        lengths = range(min(len(_PASTE_END) - 1, len(text)), 0, -1)
        kept = next((each for each in lengths if _PASTE_END.startswith(text[-each:])), 0)
        self._end_prefix = text[len(text) - kept :]
        self._collect(text[: len(text) - kept])
        return ""

    def _collect(self, text: str) -> None:
        self._length += len(text)
        if self._length <= MAX_PASTE_LENGTH:
            self._parts.append(text)
        else:
            self._parts.clear()

    def _end_paste(self, *, is_ended: bool) -> None:
        paste = Paste("".join(self._parts), self._length, is_ended=is_ended)
        self._in_bracketed_paste = False
        self._start_paste()
        self._since_escape = _MAX_SEQUENCE
        self.feed_key_callback(KeyPress(Keys.BracketedPaste, paste))


def bound_keys(source: Input) -> None:
    """Let an input of prompt_toolkit use the bounded parser, if it parses escape sequences."""
    parser = getattr(source, "vt100_parser", None)
    if parser is not None and not isinstance(parser, BoundedParser):
        vars(source)["vt100_parser"] = BoundedParser(parser.feed_key_callback)
