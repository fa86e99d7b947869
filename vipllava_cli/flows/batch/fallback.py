"""Answer a batch that may not fit into memory or may hold a row that fails."""

from collections.abc import Sequence

from vipllava_cli.engine.base import Answer, Engine, Prompt
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import GenerationError, OutOfMemoryError


def answer_with_fallback(
    engine: Engine, prompts: Sequence[Prompt], options: GenerationOptions
) -> list[Answer | GenerationError]:
    """Answer all prompts as one batch: in order, an answer or the error for each.

    A batch that does not fit into memory is halved. After any other error each prompt runs alone.
    """
    try:
        return list(engine.answer_batch(prompts, options))
    except GenerationError as error:
        # A copy without the traceback, which would keep the failed batch in memory.
        failed = type(error)(str(error))
    if len(prompts) == 1:
        return [failed]
    size = len(prompts) // 2 if isinstance(failed, OutOfMemoryError) else 1
    return [
        outcome
        for start in range(0, len(prompts), size)
        for outcome in answer_with_fallback(engine, prompts[start : start + size], options)
    ]
