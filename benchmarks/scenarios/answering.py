"""Timers of single answers, for the scenarios about speed."""

from PIL import Image

from benchmarks.measuring import NotAvailable, seconds
from benchmarks.scenes import SAMPLE
from vipllava_cli.engine.base import Answer, Engine, Prompt
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
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

    Each round is a conversation of one turn, which notes the time of its first token: what other
    programs take during the prompt does not count.

    Raises NotAvailable if the model ends its answer at once.
    """
    view = new_prompt(engine).view
    options = GenerationOptions(max_new_tokens=tokens)
    times, context = [], 0.0
    for _ in range(rounds + 1):  # the first one warms up
        conversation = engine.start_conversation()
        reply = conversation.answer(view, [Turn(QUESTION)], options=options)
        later = reply.answer.answer_tokens - 1
        if later < 1:
            raise NotAvailable("the answer has one token: no later token to time")
        times.append((reply.answer.seconds - reply.first_token_seconds) / later)
        context = reply.answer.prompt_tokens + reply.answer.answer_tokens / 2
    return times[1:], context
