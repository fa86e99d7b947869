"""Timers of single answers, for the scenarios about speed."""

from PIL import Image

from benchmarks.measuring import NotAvailable, seconds
from benchmarks.scenes import SAMPLE
from vipllava_cli.engine.base import Answer, Engine, Prompt
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.images.square import pad_to_square

QUESTION = "what is the object within the red rectangle doing, and what is it made of?"


def new_prompt(engine: Engine, number: int = 0) -> Prompt:
    """Return a prompt about a view that the engine has not seen; each number has other pixels."""
    image = pad_to_square(Image.open(SAMPLE).convert("RGB")).rotate(number)
    return engine.prompt(engine.view(image), QUESTION)


def answer(engine: Engine, prompt: Prompt, tokens: int) -> Answer:
    """Answer one prompt with at most this number of tokens."""
    [result] = engine.answer([prompt], GenerationOptions(max_new_tokens=tokens))
    return result


def prefill_seconds(engine: Engine, rounds: int) -> list[float]:
    """Time prompts with their first token, of new views. A warm-up does not count."""
    prompts = [new_prompt(engine, number) for number in range(rounds + 2)]
    times = [seconds(lambda p=prompt: answer(engine, p, 1)) for prompt in prompts]  # type: ignore[misc]
    return times[2:]


def token_seconds(engine: Engine, tokens: int, rounds: int) -> tuple[list[float], float]:
    """Time one token after the first, and return the mean context in tokens.

    The time of a prompt with one token is taken off that of a long answer, round by round.

    Raises NotAvailable if the machine is so busy that this leaves nothing.
    """
    prompt = new_prompt(engine)
    given = answer(engine, prompt, tokens)  # warms up, too
    answer(engine, prompt, 1)
    times = []
    for _ in range(rounds):
        short = seconds(lambda: answer(engine, prompt, 1))
        long = seconds(lambda: answer(engine, prompt, tokens))
        times.append((long - short) / max(given.answer_tokens - 1, 1))
    if min(times) <= 0:
        raise NotAvailable("a long answer took no longer than a short one: the machine is busy")
    return times, len(prompt.ids) + given.answer_tokens / 2
