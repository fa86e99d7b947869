"""The tree of errors. Each error has an exit code and a one-line message for the user.

A message states what the program expected, what it found and what the user can do.

    VipllavaError
    ├── UsageError        2   the flags or the question are invalid
    ├── InputError        3   an image, mark, manifest or output path is not usable
    ├── ModelError        4   the model is missing or does not load
    └── GenerationError   5   generation failed
        └── OutOfMemoryError
"""

from collections.abc import Iterator
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the process."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    MODEL = 4
    GENERATION = 5
    SOME_ROWS_FAILED = 6
    INTERRUPTED = 130
    CLOSED_PIPE = 141  # 128 + SIGPIPE: the reader of stdout closed the pipe


class VipllavaError(Exception):
    """An error that the user can fix. Its text is one line for the terminal."""

    exit_code = ExitCode.BUG


class UsageError(VipllavaError):
    """The command line or the question is invalid."""

    exit_code = ExitCode.USAGE


class InputError(VipllavaError):
    """An image, a mark, a manifest or an output path is not usable."""

    exit_code = ExitCode.INPUT


class ModelError(VipllavaError):
    """The model is missing or does not load."""

    exit_code = ExitCode.MODEL


class GenerationError(VipllavaError):
    """The model is loaded, but generation failed."""

    exit_code = ExitCode.GENERATION


class OutOfMemoryError(GenerationError):
    """Loading or generation ran out of memory. A smaller batch may fit."""


_MAX_NAME = 200  # characters in a message


def short_name(name: str) -> str:
    """Return a name with its middle cut out if it is too long for a message."""
    if len(name) <= _MAX_NAME:
        return name
    return f"{name[: _MAX_NAME // 2]}…{name[1 - _MAX_NAME // 2 :]}"


def short_repr(value: object) -> str:
    """Return the `repr` of a value, cut to 40 characters for a message.

    Makes no more of it than that: a value may be nested deeply, or contain itself.
    """
    text = ""
    for piece in _repr_pieces(value):
        text += piece
        if len(text) > _MAX_REPR:
            return text[: _MAX_REPR - 1] + "…"
    return text


_MAX_REPR = 40  # characters


def _repr_pieces(value: object) -> Iterator[str]:
    """Iterate over the pieces of the `repr` of a value."""
    if type(value) is dict:
        yield "{"
        for number, (key, item) in enumerate(value.items()):
            yield ", " if number else ""
            yield from _repr_pieces(key)
            yield ": "
            yield from _repr_pieces(item)
        yield "}"
    elif isinstance(value, list | tuple):
        opening, closing = "[]" if isinstance(value, list) else "()"
        yield opening
        for number, item in enumerate(value):
            yield ", " if number else ""
            yield from _repr_pieces(item)
        yield closing
    elif type(value) is int and value.bit_length() > 1000:
        yield "a huge number"  # Python refuses to write more than 4,300 digits
    else:
        yield repr(value)
