"""Messages on stderr, answers on stdout. No control character of a text reaches the terminal."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.escapes import safe, unescaped
from vipllava_cli.images.data_address import shorten_in_text

if TYPE_CHECKING:
    from vipllava_cli.storage.records import Record


def one_line(text: str) -> str:
    """Escape control characters, join lines, and cut `data:` addresses."""
    return " ".join(shorten_in_text(safe(text)).split())


class _Console(Console):
    """A console that ignores write errors: a closed stderr does not stop the work.

    Rich 15.0.0 gives it what libraries write on stderr while a bar is shown: that is escaped too.
    """

    @property
    def file(self) -> IO[str]:
        """The stream below the one that escapes."""
        return unescaped(super().file)

    @file.setter
    def file(self, stream: IO[str]) -> None:
        self._file = stream

    def on_broken_pipe(self) -> None:
        """Ignore that stderr is closed."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print like Rich, but ignore write errors."""
        with suppress(OSError):
            super().print(*map(_checked, objects), **options)


def _checked(printed: object) -> object:
    """Escape a text of Rich that contains a control character."""
    if isinstance(printed, Text) and safe(printed.plain) != printed.plain:
        return Text(safe(printed.plain))
    return printed


def stderr_console() -> Console:
    """Make a console for messages: stderr, in colour only on a terminal and without `NO_COLOR`."""
    return _Console(stderr=True, highlight=False, soft_wrap=True)


def plain_console() -> Console:
    """Make a console without colour, spinner or redrawing, even on a terminal."""
    return _Console(stderr=True, highlight=False, soft_wrap=True, force_terminal=False)


def print_error(message: str) -> None:
    """Print an error as one line on stderr."""
    Messages().error(message)


def spinner_name(console: Console) -> str:
    """Return the name of a spinner whose characters the encoding of the terminal has."""
    return "line" if console.options.ascii_only else "dots"


@dataclass(frozen=True)
class Messages:
    """The messages beside the answer, as `-q` and `-v` select them."""

    quiet: bool = False
    verbose: bool = False
    console: Console = field(default_factory=stderr_console)

    def note(self, *messages: str) -> None:
        """Print each message as a note, unless quiet."""
        for message in () if self.quiet else messages:
            self._print_prefixed("note: ", "yellow", message)

    def warning(self, message: str) -> None:
        """Print a warning, unless quiet."""
        if not self.quiet:
            self._print_prefixed("warning: ", "yellow", message)

    def error(self, message: str) -> None:
        """Print an error."""
        self._print_prefixed("error: ", "bold red", message)

    def say(self, message: str) -> None:
        """Print progress or a result as one line, unless quiet."""
        if not self.quiet:
            self.console.print(Text(one_line(message)))

    def detail(self, message: str) -> None:
        """Print a detail as one line, if verbose."""
        if self.verbose:
            self.console.print(Text(one_line(message), style="dim"))

    def tell(self, text: str) -> None:
        """Print a text that the user asked for, of any number of lines, even if quiet."""
        self.console.print(Text(safe(text)))

    def tell_pairs(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Print two columns, even if quiet. The second is wrapped to the terminal."""
        table = Table.grid(padding=(0, 2))
        table.add_column(no_wrap=True)
        for name, text in pairs:
            table.add_row(Text(safe(name)), Text(safe(text)))
        self.console.print(table, soft_wrap=False)

    def waiting(self, activity: str) -> AbstractContextManager[object]:
        """Show a spinner on a terminal while the block runs."""
        if self.quiet or not self.console.is_terminal:
            return nullcontext()
        return self.console.status(Text(one_line(activity)), spinner=spinner_name(self.console))

    def _print_prefixed(self, prefix: str, style: str, message: str) -> None:
        self.console.print(Text.assemble((prefix, style), one_line(message)))


def print_answer(text: str, *, single_line: bool = False) -> None:
    """Print an answer on stdout."""
    sys.stdout.write((one_line(text) if single_line else safe(text)) + "\n")
    sys.stdout.flush()


def print_choices(choices: Sequence[Mapping[str, Any]], messages: Messages) -> None:
    """Print the probability of each choice on stderr, the likeliest first."""
    for choice in sorted(choices, key=lambda choice: -choice["log_likelihood"]):
        messages.say(f"{choice['probability']:.1%} {choice['text']}")


def print_probabilities(record: "Record", messages: Messages) -> None:
    """Print the probabilities of choices on stderr, the likeliest first; one line for each field."""
    print_choices(record.choices or (), messages)
    for name, choices in (record.field_probabilities or {}).items():
        ranked = sorted(choices.items(), key=lambda choice: -choice[1])
        texts = (f"{probability:.1%} {choice}" for choice, probability in ranked)
        messages.say(f"{name}: {', '.join(texts)}")


def print_piece(text: str) -> None:
    """Print a piece of a streamed answer on stdout."""
    sys.stdout.write(safe(text))
    sys.stdout.flush()
