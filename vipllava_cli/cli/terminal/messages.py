"""Text for a terminal: control characters made visible, notes and errors on stderr."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Control characters, escape sequences and the overrides of writing direction, all but \n and \t.
_UNSAFE = {
    code: f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
    for code in (
        *(c for c in range(32) if c not in (9, 10)),
        *range(127, 160),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),
    )
}


def safe(text: str) -> str:
    """The text with control characters written out, so that no terminal acts on them."""
    return text.translate(_UNSAFE).encode("utf-8", "replace").decode("utf-8")


def one_line(text: str) -> str:
    """Safe text on one line."""
    return " ".join(safe(text).split())


class _Console(Console):
    """Nobody reads the notes, or they find no room: that is no reason to leave the work undone."""

    def on_broken_pipe(self) -> None:
        """A pipe whose reader went away."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As in Rich, but that stderr cannot be written is passed over."""
        with suppress(OSError):
            super().print(*objects, **options)


def stderr_console() -> Console:
    """A console for all that is not the answer; colour only on a terminal, `NO_COLOR` kept."""
    return _Console(stderr=True, highlight=False, soft_wrap=True)


def plain_console() -> Console:
    """The same without colour, spinner or redrawing, on any terminal."""
    return _Console(stderr=True, highlight=False, soft_wrap=True, force_terminal=False)


def print_error(message: str) -> None:
    """One line on stderr."""
    Messages().error(message)


@dataclass(frozen=True)
class Messages:
    """What is said beside the answer, as `-q` and `-v` ask."""

    quiet: bool = False
    verbose: bool = False
    console: Console = field(default_factory=stderr_console)

    def note(self, message: str) -> None:
        """Something that the user should know."""
        if not self.quiet:
            self.console.print(Text.assemble(("note: ", "yellow"), one_line(message)))

    def warning(self, message: str) -> None:
        """Print something that the user should change. `-q` does not hide it."""
        self.console.print(Text.assemble(("warning: ", "yellow"), one_line(message)))

    def say(self, message: str) -> None:
        """How the work goes on, or ended."""
        if not self.quiet:
            self.console.print(Text(one_line(message)))

    def tell(self, text: str) -> None:
        """What was asked for, whatever `-q` says; may have several lines."""
        self.console.print(Text(safe(text)))

    def tell_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Two columns, whatever `-q` says; the second is wrapped to the terminal."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        for name, words in pairs:
            table.add_row(Text(safe(name)), Text(safe(words)))
        self.console.print(table, soft_wrap=False)

    def error(self, message: str) -> None:
        """Something that was not done, and why."""
        self.console.print(Text.assemble(("error: ", "bold red"), one_line(message)))

    def waiting(self, what: str) -> AbstractContextManager[object]:
        """A spinner on a terminal while something takes its time."""
        if self.quiet or not self.console.is_terminal:
            return nullcontext()
        return self.console.status(what)

    def detail(self, message: str) -> None:
        """Something for the curious."""
        if self.verbose:
            self.console.print(Text(one_line(message), style="dim"))


def print_answer(text: str, *, single_line: bool = False) -> None:
    """The answer alone on stdout."""
    sys.stdout.write((one_line(text) if single_line else safe(text)) + "\n")
    sys.stdout.flush()


def print_choices(choices: Sequence[Mapping[str, Any]], messages: Messages) -> None:
    """How likely each is, the likeliest first: beside the answer, on stderr."""
    for choice in sorted(choices, key=lambda choice: -choice["log_likelihood"]):
        messages.say(f"{choice['probability']:.1%} {choice['text']}")


def print_piece(text: str) -> None:
    """A piece of an answer as it comes."""
    sys.stdout.write(safe(text))
    sys.stdout.flush()
