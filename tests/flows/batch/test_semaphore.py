"""The weighted semaphore."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from vipllava_cli.flows.batch.semaphore import WeightedSemaphore


def max_held(capacity: int, weights: list[int]) -> int:
    """Hold the weights in eight threads. Returns the largest sum that was held at a time."""
    semaphore, lock = WeightedSemaphore(capacity), threading.Lock()
    held = [0]
    sums = []

    def work(weight: int) -> None:
        with semaphore.hold(weight):
            with lock:
                held[0] += weight
                sums.append(held[0])
            time.sleep(0.001)
            with lock:
                held[0] -= weight

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, weights))
    assert len(sums) == len(weights)
    return max(sums)


def test_the_sum_of_held_weights_stays_within_the_capacity() -> None:
    assert 3 < max_held(10, [3, 4, 5, 2] * 10) <= 10


def test_a_weight_above_the_capacity_runs_alone() -> None:
    assert max_held(10, [3, 25, 4] * 5) == 25


def test_an_error_releases_the_weight() -> None:
    semaphore = WeightedSemaphore(1)
    with pytest.raises(ValueError, match="broken"), semaphore.hold(1):
        raise ValueError("broken")
    with semaphore.hold(1):
        pass
