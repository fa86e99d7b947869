"""Batches in several threads: all outcomes arrive, an error after those before it."""

import threading
import time

import pytest

from vipllava_cli.flows.batch.parallel import ParallelAnswers


def test_answers_so_many_batches_at_a_time() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def answer(number: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return number

    answers = ParallelAnswers(answer, 3)
    found = [each for number in range(10) for each in answers.add(number)]
    found += [each for some in answers.finish() for each in some]
    answers.close()
    assert sorted(found) == list(range(10))
    assert most == 3


def test_raises_an_error_after_the_outcomes_in_flight() -> None:
    started: list[int] = []

    def answer(number: int) -> int:
        started.append(number)
        time.sleep(0.1 * (number + 1))
        if number == 0:
            raise ValueError("broken")
        return number

    answers, found = ParallelAnswers(answer, 2), []
    for number in range(3):
        found += answers.add(number)
    with pytest.raises(ValueError, match="broken"):
        answers.add(3)
    answers.close()
    assert (found, started) == ([1], [0, 1])


def test_batches_that_wait_keep_the_threads_busy() -> None:
    """While their owner does something else, four threads answer five batches."""
    answered: list[int] = []

    def answer(number: int) -> int:
        answered.append(number)
        return number

    answers = ParallelAnswers(answer, 4)
    for number in range(5):
        answers.add(number)
    deadline = time.monotonic() + 10
    while len(answered) < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    answers.close()
    assert sorted(answered) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("reason", ["error", "stop"])
def test_batches_that_wait_do_not_start_after_an_error_or_a_stop(reason: str) -> None:
    started: list[int] = []
    release, stop, are_busy = threading.Event(), threading.Event(), threading.Event()

    def answer(number: int) -> int:
        started.append(number)
        if len(started) == 4:
            are_busy.set()
        release.wait(10)
        if reason == "error":
            raise ValueError(f"broken {number}")
        return number

    answers, found = ParallelAnswers(answer, 4, stop.is_set), []
    for number in range(5):
        found += answers.add(number)
    assert are_busy.wait(10)
    if reason == "stop":
        stop.set()
    release.set()
    if reason == "error":
        with pytest.raises(ValueError, match="broken"):
            found += [each for some in answers.finish() for each in some]
    else:
        found += [each for some in answers.finish() for each in some]
    answers.close()
    assert sorted(started) == [0, 1, 2, 3]
    assert sorted(found) == ([] if reason == "error" else [0, 1, 2, 3])
