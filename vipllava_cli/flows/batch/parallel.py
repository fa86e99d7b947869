"""Answer batches in several threads, for an engine that takes several at a time."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Generic, TypeVar

B = TypeVar("B")
A = TypeVar("A")

_THREADS_PER_WAITING = 4


class _Skipped:
    """The outcome of a batch that did not start."""


class ParallelAnswers(Generic[B, A]):
    """Calls `answer` for batches in at most `parallel` threads.

    Outcomes come in the order in which they are ready. They belong to one thread, which calls all
    methods; only `answer` runs in others. A few more batches wait for a thread: no thread is idle while
    outcomes are written. They do not start after an error, or once `should_stop` is true.
    """

    def __init__(
        self,
        answer: Callable[[B], A],
        parallel: int,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> None:
        self._answer = answer
        self._parallel = parallel
        self._should_stop = should_stop
        self._batches: SimpleQueue[B | None] = SimpleQueue()
        self._outcomes: SimpleQueue[A | BaseException | _Skipped] = SimpleQueue()
        self._threads = 0
        self._running = 0  # or waiting
        self._error: BaseException | None = None
        self._has_failed = False  # set by the threads

    def add(self, batch: B) -> list[A]:
        """Start a batch. Returns the outcomes that are ready, at least one if no more batches may wait.

        Raises what `answer` raises.
        """
        is_full = self._running >= self._parallel + self._parallel // _THREADS_PER_WAITING
        ready = self._ready() if is_full or self._error or not self._outcomes.empty() else []
        if self._error:
            return ready
        self._running += 1
        if self._threads < self._parallel:
            self._threads += 1
            # Daemon threads: after an error or Ctrl-C, the program does not wait for a slow answer.
            threading.Thread(target=self._work, daemon=True).start()
        self._batches.put(batch)
        return ready

    def finish(self) -> Iterator[list[A]]:
        """Yield the outcomes of all batches in flight, several at a time. Raises what `answer` raises."""
        while self._running or self._error:
            yield self._ready()

    def close(self) -> None:
        """End the threads that wait for a batch."""
        for _ in range(self._threads):
            self._batches.put(None)

    def _ready(self) -> list[A]:
        """Wait for an outcome, and return it with all others that are ready.

        After an error no batch starts. The outcomes of those in flight are returned first; the next call
        raises the error.
        """
        ready: list[A] = []
        while self._running and (self._error or not ready or not self._outcomes.empty()):
            outcome = self._outcomes.get()
            self._running -= 1
            if isinstance(outcome, BaseException):
                self._error = self._error or outcome
            elif not isinstance(outcome, _Skipped):
                ready.append(outcome)
        if self._error and not ready:
            raise self._error
        return ready

    def _work(self) -> None:
        while (batch := self._batches.get()) is not None:
            if self._has_failed or self._should_stop():
                self._outcomes.put(_Skipped())
                continue
            try:
                self._outcomes.put(self._answer(batch))
            except BaseException as error:
                self._has_failed = True
                self._outcomes.put(error)
