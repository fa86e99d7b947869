"""One family of errors. Each carries its exit code, and a message of one line that says what was
expected, what was found and what to do.

    VipllavaError
    ├── UsageError        2   flags or a question that make no sense
    ├── InputError        3   an image, a mark or a manifest that cannot be used
    ├── ModelError        4   the model is not there or cannot be loaded
    └── GenerationError   5   generation failed
        └── OutOfMemoryError
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process returns."""

    DONE = 0
    BUG = 1
    USAGE = 2
    INPUT = 3
    MODEL = 4
    GENERATION = 5
    SOME_ROWS_FAILED = 6
    INTERRUPTED = 130
    CLOSED_PIPE = 141  # 128 + SIGPIPE: the reader of our output went away


class VipllavaError(Exception):
    """A fault that the user can mend; its text is one line for the terminal."""

    exit_code = ExitCode.BUG


class UsageError(VipllavaError):
    """The command line or the question makes no sense."""

    exit_code = ExitCode.USAGE


class InputError(VipllavaError):
    """An image, a mark, a manifest or an output place cannot be used."""

    exit_code = ExitCode.INPUT


class ModelError(VipllavaError):
    """The model is not there or cannot be loaded."""

    exit_code = ExitCode.MODEL


class GenerationError(VipllavaError):
    """The model was loaded, and making the answer failed."""

    exit_code = ExitCode.GENERATION


class OutOfMemoryError(GenerationError):
    """Memory ran out while loading or answering; fewer questions at once may fit."""


def short_repr(value: object) -> str:
    """A value that was found, as a message shows it."""
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:39] + "…"
