"""The time to the first token of the first turn and of later turns, without preprocessing."""

from collections.abc import Iterator
from itertools import cycle, islice
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, summarize
from benchmarks.scenes import QUESTIONS

if TYPE_CHECKING:
    from vipllava_cli.engine.base import Engine, ModelView


def first_token_times(engine: "Engine", view: "ModelView", turns: int) -> list[float]:
    """Return the seconds to the first token of each turn of a new conversation."""
    from vipllava_cli.engine.options import GenerationOptions
    from vipllava_cli.engine.prompts.templates import Turn

    conversation = engine.start_conversation()
    answered: list[Turn] = []
    times = []
    for question in islice(cycle(QUESTIONS), turns):
        reply = conversation.answer(
            view, [*answered, Turn(question)], options=GenerationOptions(max_new_tokens=8)
        )
        answered.append(Turn(question, reply.answer.text, reply.tokens))
        times.append(reply.first_token_seconds)
    return times


def run(bench: Bench) -> Iterator[Measure]:
    """Measure conversations about views that the engine has not seen."""
    from PIL import Image

    engine = bench.open()
    rounds, turns = bench.choose(9, 2), bench.choose(6, 3)
    noise = Image.effect_noise((336, 336), 80).convert("RGB")
    measured = [
        first_token_times(engine, engine.view(noise.rotate(90 * number)), turns)
        for number in range(rounds + 1)
    ][1:]
    yield summarize("first token of turn 1", [1000 * first for first, *_ in measured], "ms")
    yield summarize(
        "first token of later turns", [1000 * median(later) for _, *later in measured], "ms"
    )
    yield summarize(
        "second turn relative to the first",
        [second / first for first, second, *_ in measured],
        goal="at most 0.03",
    )
