"""Ctrl-C during a batch."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from vipllava_cli.cli.terminal.messages import Messages


@contextmanager
def stop_on_interrupt(stop: threading.Event, messages: Messages) -> Iterator[threading.Event]:
    """Set `stop` on the first Ctrl-C. A second one raises KeyboardInterrupt.

    Yields an event that is set if there was a Ctrl-C.
    """
    interrupted = threading.Event()

    def on_first(number: int, frame: object) -> None:
        interrupted.set()
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        messages.say("finishing the batch in flight; press Ctrl-C again to stop at once")

    previous = signal.signal(signal.SIGINT, on_first)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, previous)
