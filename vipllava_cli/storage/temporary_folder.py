"""A temporary folder that disappears, also if a signal ends the program."""

import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vipllava_cli.errors import InputError

_ENDING_SIGNALS = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP


@contextmanager
def temporary_folder() -> Iterator[str]:
    """Make a folder that only its owner can read. It is removed when the block ends.

    SIGTERM and SIGHUP remove it too. Yields its real path. Raises InputError if it cannot be made.
    """
    try:
        folder = os.path.realpath(tempfile.mkdtemp(prefix="vipllava-"))
    except OSError as error:
        raise InputError(
            f"no temporary folder can be made: {error.strerror}; name one with the variable TMPDIR"
        ) from None
    is_main = threading.current_thread() is threading.main_thread()
    signals = [getattr(signal, name) for name in _ENDING_SIGNALS if hasattr(signal, name)]
    previous = {}

    def end(number: int, frame: object) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    try:
        for number in signals if is_main else ():
            if signal.getsignal(number) == signal.SIG_DFL:  # `nohup` ignores SIGHUP
                previous[number] = signal.signal(number, end)
        yield folder
    finally:
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN) if is_main else None
        shutil.rmtree(folder, ignore_errors=True)
        if is_main:
            signal.signal(signal.SIGINT, interrupt)
        for number, handler in previous.items():
            signal.signal(number, handler)
