"""A temporary folder that disappears, also if a signal ends the program."""

import os
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from vipllava_cli.errors import InputError
from vipllava_cli.storage.ending import (
    ENDING_SIGNALS,
    creation_lock,
    end_cleanly_on_signals,
    remove_path,
    removed_at_end,
)


@contextmanager
def temporary_folder() -> Iterator[str]:
    """Make a folder that only its owner can read. It is removed when the block ends.

    SIGTERM and SIGHUP remove it too. Yields its real path. Raises InputError if it cannot be made.
    """
    is_main = threading.current_thread() is threading.main_thread()
    try:
        parent = os.path.realpath(tempfile.gettempdir())
    except OSError as error:
        raise _no_folder(error) from None
    folder = os.path.join(parent, f"vipllava-{os.urandom(8).hex()}")
    with removed_at_end(partial(remove_path, folder)), _ending_signals_handled(is_main=is_main):
        try:
            _make(folder)
            yield folder
        finally:
            # A Ctrl-C here would leave a part of it.
            interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
            remove_path(folder)
            if is_main:
                signal.signal(signal.SIGINT, interrupt)


def _make(folder: str) -> None:
    try:
        with creation_lock:
            os.mkdir(folder, 0o700)
    except OSError as error:
        raise _no_folder(error) from None


def _no_folder(error: OSError) -> InputError:
    return InputError(
        f"no temporary folder can be made: {error.strerror}; name one with the variable TMPDIR"
    )


@contextmanager
def _ending_signals_handled(*, is_main: bool) -> Iterator[None]:
    """Handle the signals while the block runs in a program other than `vipllava`, which does itself."""
    numbers = [getattr(signal, name) for name in ENDING_SIGNALS if hasattr(signal, name)]
    previous = {number: signal.getsignal(number) for number in numbers} if is_main else {}
    if is_main:
        end_cleanly_on_signals()
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
