"""What a source of a batch gives: an image, its marks and its questions, row by row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.marks.types import MarkSpec


@dataclass(frozen=True)
class Row:
    """An image (a path or an address, ready to be opened), the marks on it, the questions about it
    as typed, and what else the source says of it; `choices` are the answers to weigh. No questions or
    no choices: those of the command line.
    """

    id: str
    image: str
    marks: tuple[MarkSpec, ...] = ()
    questions: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be understood, and why; `image` is empty where even that is unknown."""

    id: str
    image: str
    error: InputError


@dataclass(frozen=True)
class Source:
    """The rows, read as they are wanted; what kind of source it is; how many rows, where that is
    known beforehand; and a line for each thing that a user should know of it.
    """

    rows: Iterator[Row | BadRow]
    kind: str
    total: int | None = None
    notes: tuple[str, ...] = ()
