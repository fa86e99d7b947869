"""Answer a batch that may not fit into memory or may hold a row that fails."""

from collections.abc import Callable, Iterator, Sequence

from vipllava_cli.engine.base import Answer, Engine, Prompt
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import GenerationError, OutOfMemoryError


def answer_with_fallback(
    engine: Engine, prompts: Sequence[Prompt], options: GenerationOptions
) -> list[Answer | GenerationError]:
    """Answer all prompts as one batch: in order, an answer or the error for each.

    A batch that does not fit into memory is halved. After any other error each prompt runs alone.
    """
    outcomes: list[Answer | GenerationError] = []
    for part in iter_parts(engine, prompts, options):
        outcomes += [part] if isinstance(part, GenerationError) else part
    return outcomes


def iter_parts(
    engine: Engine,
    prompts: Sequence[Prompt],
    options: GenerationOptions,
    *,
    should_stop: Callable[[], bool] = lambda: False,
    on_halved: Callable[[int], None] = lambda size: None,
) -> Iterator[Sequence[Answer] | GenerationError]:
    """Yield the outcomes of `answer_with_fallback` part by part, as soon as each part is answered.

    A part is the answers to the next prompts, or the error of the next prompt. `should_stop` is
    called before each part of a split batch. `on_halved` receives the size of each batch that did
    not fit into memory, after its halves are answered.
    """
    try:
        answers = engine.answer_batch(prompts, options)
    except GenerationError as error:
        # A copy without the traceback, which would keep the failed batch in memory.
        failed = type(error)(str(error))
    else:
        yield answers
        return
    if len(prompts) == 1:
        yield failed
        return
    is_out_of_memory = isinstance(failed, OutOfMemoryError)
    size = len(prompts) // 2 if is_out_of_memory else 1
    for start in range(0, len(prompts), size):
        if not should_stop():
            part = prompts[start : start + size]
            yield from iter_parts(
                engine, part, options, should_stop=should_stop, on_halved=on_halved
            )
    if is_out_of_memory:
        on_halved(len(prompts))
