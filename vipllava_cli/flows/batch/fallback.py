"""Answer a batch that may not fit into memory or may hold a row that fails."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from vipllava_cli.errors import GenerationError, OutOfMemoryError, UsageError

T = TypeVar("T")
A = TypeVar("A")


def answer_with_fallback(
    answer: Callable[[Sequence[T]], Sequence[A]], questions: Sequence[T]
) -> list[A | GenerationError]:
    """Answer all questions as one batch: in order, an answer or the error for each.

    `answer` answers a batch, and raises GenerationError, or UsageError for a choice. A batch that does
    not fit into memory is halved. After any other error each question runs alone.
    """
    outcomes: list[A | GenerationError] = []
    for part in iter_parts(answer, questions):
        outcomes += [part] if isinstance(part, GenerationError) else part
    return outcomes


def answer_in_parallel(
    answer: Callable[[Sequence[T]], Sequence[A]], questions: Sequence[T], parallel: int
) -> list[A | GenerationError]:
    """Return the outcomes of `answer_with_fallback`; if `parallel`, so many questions at a time."""
    if parallel == 1:
        return answer_with_fallback(answer, questions)
    with ThreadPoolExecutor(parallel) as pool:
        outcomes = pool.map(lambda one: answer_with_fallback(answer, [one]), questions)
        return [outcome for [outcome] in outcomes]


def iter_parts(
    answer: Callable[[Sequence[T]], Sequence[A]],
    questions: Sequence[T],
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_halved: Callable[[int], None] = lambda size: None,
) -> Iterator[Sequence[A] | GenerationError]:
    """Yield the outcomes of `answer_with_fallback` part by part, as soon as each part is answered.

    A part is the answers to the next questions, or the error of the next question. `should_stop` is
    called before each part of a split batch. `on_halved` receives the size of each batch that did
    not fit into memory, after its halves are answered.
    """
    try:
        answers = answer(questions)
    except GenerationError as error:
        # A copy without the traceback, which would keep the failed batch in memory.
        failed = type(error)(str(error))
    except UsageError as error:  # one row has a choice that the model cannot read
        failed = GenerationError(str(error))
    else:
        yield answers
        return
    if len(questions) == 1:
        yield failed
        return
    is_out_of_memory = isinstance(failed, OutOfMemoryError)
    size = len(questions) // 2 if is_out_of_memory else 1
    for start in range(0, len(questions), size):
        if not should_stop():
            part = questions[start : start + size]
            yield from iter_parts(answer, part, should_stop=should_stop, on_halved=on_halved)
    if is_out_of_memory:
        on_halved(len(questions))
