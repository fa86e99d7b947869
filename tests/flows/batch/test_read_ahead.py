"""Mapping ahead of the consumer."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from vipllava_cli.flows.batch.read_ahead import map_ahead


def test_results_are_in_the_order_of_the_items() -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    with ThreadPoolExecutor(4) as pool:
        results = list(map_ahead(pool, work, range(20), lambda: 5))
    assert results == [number * number for number in range(20)]


def test_no_more_than_the_limit_is_started_ahead() -> None:
    started: list[int] = []
    with ThreadPoolExecutor(4) as pool:
        results = map_ahead(pool, started.append, range(100), lambda: 3)
        next(results)
        time.sleep(0.05)
        assert started == [0, 1, 2]
        results.close()  # type: ignore[attr-defined]


def test_an_error_reaches_the_consumer() -> None:
    with (
        ThreadPoolExecutor(2) as pool,
        pytest.raises(ZeroDivisionError),
    ):
        list(map_ahead(pool, lambda number: 1 // number, [1, 0], lambda: 2))
