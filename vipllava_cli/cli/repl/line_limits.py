"""Bounds of a line that a person edits: its length, its undo steps, and repeat counts.

Guards of prompt_toolkit 3.0.53, which keeps every state of a text of any length, and repeats a command
up to a million times.
"""

from collections.abc import Callable
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.document import Document
from prompt_toolkit.filters import Condition
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import screen

from vipllava_cli.cli.repl.key_parser import MAX_PASTE_LENGTH
from vipllava_cli.cli.terminal.escapes import UNSAFE

MAX_LINE_LENGTH = MAX_PASTE_LENGTH  # characters
MAX_SEARCH_LENGTH = 1000  # characters of a text to search for
MAX_UNDO_STEPS = 100
MAX_REPEATS = 100  # of a command, by Escape and digits
MAX_DRAWN_CHARACTERS = 20_000  # different ones that prompt_toolkit keeps

_FULL = f"the text has at most {MAX_LINE_LENGTH} characters: what goes beyond them is ignored"
_REPEATED = f"the command was ignored: expected a repeat count from 1 to {MAX_REPEATS}"


class LineLimits:
    """Holds the text of a prompt within its bounds. `tell` prints a note above the prompt."""

    def __init__(self, session: PromptSession[str], tell: Callable[[str], None]) -> None:
        self._session = session
        self._tell = tell
        self._is_told = False
        self._kept: dict[Buffer, Document] = {}
        limits = {session.default_buffer: MAX_LINE_LENGTH, session.search_buffer: MAX_SEARCH_LENGTH}
        for buffer, limit in limits.items():
            buffer.on_text_changed += self._restorer(limit)
        session.app.key_processor.after_key_press += self._forget_old_steps

    def forget(self) -> None:
        """Forget the line before, and what was said about it."""
        self._is_told = False

    def start(self, text: str) -> None:
        """Start to edit this text."""
        self._kept = {self._session.default_buffer: Document(text[:MAX_LINE_LENGTH])}

    def _restorer(self, limit: int) -> Callable[[Buffer], None]:
        def restore(buffer: Buffer) -> None:
            if len(buffer.text) <= limit:
                self._kept[buffer] = buffer.document
            else:
                buffer.document = self._kept.get(buffer, Document())
                if limit == MAX_LINE_LENGTH and not self._is_told:
                    self._is_told = True
                    self._tell(_FULL)

        return restore

    def _forget_old_steps(self, processor: object) -> None:
        for buffer in self._kept:
            del buffer._undo_stack[:-MAX_UNDO_STEPS]

    def refuse_repeats(self) -> KeyBindings:
        """Return the bindings that refuse a command with a huge repeat count."""
        keys = KeyBindings()

        @Condition
        def is_huge() -> bool:
            digits = (get_app().key_processor.arg or "").lstrip("-")
            return len(digits) > len(str(MAX_REPEATS)) or int(digits or "1") > MAX_REPEATS

        @keys.add(Keys.Any, filter=is_huge, eager=True)
        def _(event: KeyPressEvent) -> None:
            if event.data.isascii() and event.data.isdecimal():
                event.key_processor.arg = str(MAX_REPEATS + 1)  # and no digit more
            else:
                self._tell(_REPEATED)

        return keys


def without_macros(keys: KeyBindings) -> None:
    """Bind the keys of keyboard macros to nothing: a macro may contain itself, and grows forever."""
    for key in ("(", ")", "e"):

        @keys.add("c-x", key)
        def _(event: KeyPressEvent) -> None:
            """Ignore the key."""


def draw_safely() -> None:
    """Let prompt_toolkit show all characters as `<202e>` that a terminal may act on.

    Version 3.0.53 shows control characters so, but neither line separators nor overrides of the
    writing direction. It keeps a million drawn characters.
    """
    mapping: Any = screen.Char.display_mappings
    for code in UNSAFE:
        mapping.setdefault(chr(code), f"<{code:x}>")
    cache: Any = screen._CHAR_CACHE
    cache.size = MAX_DRAWN_CHARACTERS
