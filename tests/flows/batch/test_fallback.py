"""Batches that do not fit into memory, or hold a prompt that fails."""

from collections.abc import Sequence
from typing import Any

from vipllava_cli.errors import GenerationError, OutOfMemoryError
from vipllava_cli.flows.batch.fallback import answer_with_fallback, iter_parts


class StubEngine:
    """Answers a prompt with itself. Fails for batches above `max_size`, and for the prompt `bad`."""

    def __init__(self, max_size: int = 100) -> None:
        self.max_size = max_size
        self.sizes: list[int] = []

    def answer(self, prompts: Sequence[Any]) -> list[Any]:
        self.sizes.append(len(prompts))
        if len(prompts) > self.max_size:
            raise OutOfMemoryError("out of memory")
        if "bad" in prompts:
            raise GenerationError("bad prompt")
        return list(prompts)


def test_a_batch_above_the_memory_is_halved() -> None:
    engine: Any = StubEngine(max_size=2)
    halved: list[int] = []
    prompts: Any = list("abcde")
    parts: list[Any] = list(iter_parts(engine.answer, prompts, on_halved=halved.append))
    assert parts == [["a", "b"], ["c", "d"], ["e"]]
    assert (engine.sizes, halved) == ([5, 2, 2, 1], [5])


def test_a_prompt_that_fails_fails_alone() -> None:
    prompts: Any = ["a", "bad", "c"]
    engine: Any = StubEngine()
    outcomes: list[Any] = list(answer_with_fallback(engine.answer, prompts))
    first, error, last = outcomes
    assert (first, last) == ("a", "c")
    assert isinstance(error, GenerationError)
    assert error.__traceback__ is None  # it would keep the failed batch in memory


def test_a_stop_skips_the_remaining_parts() -> None:
    engine: Any = StubEngine(max_size=1)
    prompts: Any = list("abcd")
    answered: list[Any] = []
    for part in iter_parts(engine.answer, prompts, should_stop=lambda: bool(answered)):
        answered.append(part)
    assert answered == [["a"]]
