"""The rows of a batch: an image with its marks and questions."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.marks.types import MarkSpec


@dataclass(frozen=True)
class Row:
    """One image with its marks and questions.

    `image` is a path or a URL that can be opened as it is. Without `questions` or `choices`, those
    of the command line apply. `extra` holds the other fields of the source's row. `image_error` says
    why the image was not found.
    """

    id: str
    image: str
    marks: tuple[MarkSpec, ...] = ()
    questions: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    image_error: InputError | None = None


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be read. `image` is empty if it is unknown."""

    id: str
    image: str
    error: InputError


@dataclass(frozen=True)
class StoredRows:
    """Rows that can be read again. Each call of `read` starts over."""

    read: Callable[[], Iterator[Row | BadRow]]

    def __iter__(self) -> Iterator[Row | BadRow]:
        return self.read()


@dataclass(frozen=True)
class Source:
    """A stream of rows, read lazily. `StoredRows` can be read more than once.

    `format` is a value of `SourceFormat`, or another name for rows that come from no file. `total`
    is the number of rows, or None if it is unknown in advance. `notes` are for the user.
    """

    rows: Iterable[Row | BadRow]
    format: str
    total: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_rereadable(self) -> bool:
        return isinstance(self.rows, StoredRows)
