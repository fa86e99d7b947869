"""A semaphore for resources of different sizes."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class WeightedSemaphore:
    """A weighted semaphore. A request above the capacity waits until it can run alone."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._held = 0
        self._changed = threading.Condition()

    def acquire(self, weight: int) -> None:
        """Wait until `weight` is free, and take it."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + weight <= self.capacity)
            self._held += weight

    def release(self, weight: int) -> None:
        """Give `weight` back."""
        with self._changed:
            self._held -= weight
            self._changed.notify_all()

    @contextmanager
    def hold(self, weight: int) -> Iterator[None]:
        """Acquire `weight` for a `with` block."""
        self.acquire(weight)
        try:
            yield
        finally:
            self.release(weight)
