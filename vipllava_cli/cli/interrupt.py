"""Ctrl-C during a batch."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from vipllava_cli.cli.terminal.messages import Messages


class Stoppable(Protocol):
    """A run that stops when `stop` is set. `is_answering`: answers are under way to the disk."""

    stop: threading.Event

    @property
    def is_answering(self) -> bool: ...


class _StoppedError(KeyboardInterrupt):
    """The first Ctrl-C, while no answers are under way: nothing is worth waiting for."""


@contextmanager
def stop_on_interrupt(run: Stoppable, messages: Messages) -> Iterator[threading.Event]:
    """Stop a run on the first Ctrl-C: after the batch in flight, or at once if there is none.

    A second Ctrl-C raises KeyboardInterrupt. Yields an event that is set if there was a Ctrl-C.
    """
    interrupted = threading.Event()

    def on_first(number: int, frame: object) -> None:
        interrupted.set()
        run.stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        is_answering = run.is_answering
        what = "finishing the batch in flight" if is_answering else "stopping"
        with suppress(RuntimeError):  # the signal came while stderr was written
            messages.say(f"{what}; press Ctrl-C again to stop at once")
        if not is_answering:
            raise _StoppedError

    previous = signal.signal(signal.SIGINT, on_first)
    try:
        yield interrupted
    except _StoppedError:
        pass
    finally:
        signal.signal(signal.SIGINT, previous)
