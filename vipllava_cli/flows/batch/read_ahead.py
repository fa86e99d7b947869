"""Run a function over items in threads, ahead of the consumer."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
U = TypeVar("U")


def map_ahead(
    pool: ThreadPoolExecutor,
    function: Callable[[T], U],
    items: Iterable[T],
    limit: Callable[[], int],
) -> Iterator[U]:
    """Map a function over items in their order.

    At most `limit()` calls are started before the consumer asks for their results. The limit may
    change during the iteration.
    """
    started: deque[Future[U]] = deque()
    for item in items:
        started.append(pool.submit(function, item))
        while len(started) >= limit():
            yield started.popleft().result()
    while started:
        yield started.popleft().result()
