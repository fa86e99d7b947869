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
