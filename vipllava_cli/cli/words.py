"""Check the words of a command line before Typer parses them, where Typer misreads a mistake.

Typer takes any next word as the value of an option, and `-model` as `-m` with the value `odel`.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from vipllava_cli.errors import UsageError
from vipllava_cli.marks.shape_table import SHAPES

_OPTIONAL = re.compile(r"\[[^]]*\]")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?%?,?")
_LONG_DASHES = "\u2013\u2014"  # word processors write them for two hyphens


@dataclass(frozen=True, eq=False, repr=False)  # `--help` starts faster
class Option:
    """An option that takes a value, as it is typed: `start` is `--box` or `-qm`.

    `attached` is the value in the same word; None if the value is the next word.
    """

    definition: Any
    start: str
    attached: str | None

    @property
    def name(self) -> str:
        return self.start if self.start.startswith("--") else f"-{self.start[-1]}"

    def usage(self) -> str:
        """Return the option with the form of its value: `--box X1,Y1,X2,Y2`."""
        return f"{self.name} {value_form(self.definition)}"


def value_form(parameter: Any) -> str:
    """Return the form of the value of an option or argument: `NAME`, `auto|cuda|mps|cpu`."""
    if parameter.metavar:
        return _OPTIONAL.sub("", parameter.metavar)
    choices = parameter.type_descriptor.choices
    return "|".join(choice.value for choice in choices) if choices else "VALUE"


def check_words(parser: Any, words: Iterable[str]) -> list[str]:
    """Return the words for Typer's parser. Raises UsageError for a mistake.

    The result has `-m=7b` as two words, which Typer would read as the value `=7b`.
    """
    checked: list[str] = []
    queue = deque(words)
    while queue:
        word = queue.popleft()
        if word == "--":
            return [*checked, word, *queue]
        _check_dashes(parser, word)
        option = match_option(parser, word)
        if option is None:
            checked.append(word)
            continue
        value = option.attached
        if value is None:
            if not queue or _is_option(parser, queue[0]):
                raise UsageError(f"{option.name} needs a value: {option.usage()}")
            value = queue.popleft()
        if not value:
            raise UsageError(f"the value of {option.name} is empty: expected {option.usage()}")
        _check_commas(option, [value, *queue])
        joined = option.start.startswith("--") and option.attached is not None
        checked += [word] if joined else [option.start, value]
    return checked


def arguments(parser: Any, words: Iterable[str]) -> Iterator[str]:
    """Yield the words that are neither options of the parser nor their values."""
    queue = deque(words)
    while queue:
        word = queue.popleft()
        if word == "--":
            yield from queue
            return
        option = match_option(parser, word)
        if option is not None and option.attached is None and queue:
            queue.popleft()
        elif not _has_dash(word):
            yield word


def match_option(parser: Any, word: str) -> Option | None:
    """Return the option that takes a value, if the word is one. Raises UsageError for `--json=1`."""
    if not _has_dash(word):
        return None
    name, has_value, value = word.partition("=")
    if name in parser._long_opt:
        option = parser._long_opt[name]
        if option.takes_value:
            return Option(option.obj, name, value if has_value else None)
        if has_value:
            raise UsageError(f"{name} takes no value: write {name} alone")
    if word.startswith("--"):
        return None
    for at, letter in enumerate(word[1:], 2):  # short options in one word, like -qv
        option = parser._short_opt.get(f"-{letter}")
        if option is None:
            return None
        if option.takes_value:
            value = word[at:].removeprefix("=")
            return Option(option.obj, word[:at], value if word[at:] else None)
    return None


def _has_dash(word: str) -> bool:
    return word.startswith("-") and word != "-"


def _is_option(parser: Any, word: str) -> bool:
    name = word.partition("=")[0]
    return name in parser._long_opt or name in parser._short_opt


def _check_dashes(parser: Any, word: str) -> None:
    """Refuse `-model` and `—model`, which are `--model`."""
    name = word.partition("=")[0]
    if f"-{name}" in parser._long_opt and _has_dash(name) and not name.startswith("--"):
        raise UsageError(f"unknown option {name}: write -{name}, with two hyphens")
    if name[:1] in _LONG_DASHES and f"--{name.lstrip(_LONG_DASHES)}" in parser._long_opt:
        raise UsageError(
            f"unknown option {name}: write --{name.lstrip(_LONG_DASHES)}, with two hyphens"
        )


def _check_commas(option: Option, values: list[str]) -> None:
    """Refuse `--box 10 20 30 40`, where spaces separate the coordinates."""
    if option.definition.name not in SHAPES:
        return
    numbers = []
    for value in values:
        if not _NUMBER.fullmatch(value):
            break
        numbers.append(value.rstrip(","))
    if len(numbers) > 1:
        raise UsageError(
            f"{option.name} takes one value, without spaces: {option.name} {','.join(numbers)}"
        )
