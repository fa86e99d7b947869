"""The end of the program by a signal: no temporary file stays behind.

SIGTERM and SIGHUP end the program with the exit codes 143 and 129, after its temporary files are
removed. A shell shows the same codes for these signals, as it shows 130 for Ctrl-C: every caller
reads the same number.
"""

import atexit
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn

ENDING_SIGNALS = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP

# Held while a temporary file is created. Who ends the program takes it and keeps it: another thread
# cannot create a file after the others are removed.
creation_lock = threading.RLock()
_removals: dict[object, Callable[[], object]] = {}


@contextmanager
def removed_at_end(remove: Callable[[], object]) -> Iterator[None]:
    """Call `remove` when a signal ends the program while the block runs.

    After Ctrl-C in the block, `remove` is called at the end too: the block may have been cleaning up.
    """
    token = object()
    _removals[token] = remove
    try:
        yield
    except Exception:
        del _removals[token]
        raise
    else:
        del _removals[token]


@contextmanager
def temporary_path(path: Path) -> Iterator[Path]:
    """Yield the path. A file or folder that is there when the block ends is removed."""
    with removed_at_end(lambda: remove_path(path)):
        try:
            yield path
        finally:
            remove_path(path)


def remove_path(path: str | Path) -> None:
    """Remove a file or a folder with its content, if there is one and as far as that is possible."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError:  # a folder
        import shutil  # takes 3 ms, which `--help` saves

        shutil.rmtree(path, ignore_errors=True)


def remove_temporary_files() -> None:
    """Remove all temporary files, of every thread. No thread creates another one afterwards."""
    creation_lock.acquire(timeout=1)  # an unreachable disk may hold it
    for remove in reversed(tuple(_removals.values())):
        with suppress(Exception):
            remove()


def end_process(code: int) -> NoReturn:
    """Remove all temporary files and end at once: a normal exit would wait for threads."""
    remove_temporary_files()
    os._exit(code)


def end_without_teardown() -> Callable[[int], None]:
    """Let the process end as soon as the functions registered with `atexit` from now on have run.

    The interpreter would take all modules apart: half a second with torch. Call this early, and the
    function that it returns with the exit code. Without that call, the process ends as usual.
    """
    owner = os.getpid()
    codes: list[int] = []

    def end() -> None:
        if codes and os.getpid() == owner:
            with suppress(Exception):  # the interpreter reports a stream that cannot be written
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(codes[-1])

    atexit.register(end)
    return codes.append


def signal_exit_code(number: int) -> int:
    """Return the exit code of a program that a signal ends, as a shell counts it."""
    return 128 + number


def end_cleanly_on_signals() -> None:
    """Handle the signals that end a program, but none that is ignored, as under `nohup`."""
    owner = os.getpid()

    def end(number: int, frame: Any) -> None:
        if os.getpid() == owner:  # a fork must not remove the files of its parent
            remove_temporary_files()
            _show_cursor()
        os._exit(signal_exit_code(number))

    for name in ENDING_SIGNALS:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, end)
            _handlers[number] = end


def _show_cursor() -> None:
    """Show the cursor of the terminal, which a progress bar hides."""
    with suppress(OSError):
        if os.isatty(_STDERR) and os.environ.get("TERM", "dumb") != "dumb":
            os.write(_STDERR, b"\x1b[?25h")


_STDERR = 2
_handlers: dict[int, Callable[[int, Any], None]] = {}


def has_default_action(number: int) -> bool:
    """Return whether a signal has the action of the system, or only that of `end_cleanly_on_signals`."""
    current = signal.getsignal(number)
    return current is signal.SIG_DFL or (current is not None and current is _handlers.get(number))
