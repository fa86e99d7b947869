"""The tree of errors. Each error has an exit code and a one-line message for the user.

A message states what the program expected, what it found and what the user can do.

    VipllavaError
    ├── UsageError        2   the flags or the question are invalid
    ├── InputError        3   an image, mark, manifest or output path is not usable
    ├── ModelError        4   the model is missing or does not load
    └── GenerationError   5   generation failed
        └── OutOfMemoryError
"""

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


def short_repr(value: object) -> str:
    """Return the `repr` of a value, cut to 40 characters for a message."""
    text = repr(value)
    return text if len(text) <= 40 else text[:39] + "…"
