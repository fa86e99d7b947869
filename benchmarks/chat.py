"""Compare the time to the first token of the first turn and of later turns.

    python -m benchmarks.chat

The model has the public checkpoints' image geometry (336 pixels, 576 tokens), random weights, and a
size that two cores can run. The time of the first turn excludes preprocessing the image.
"""

from itertools import cycle, islice
from statistics import median

from PIL import Image

from benchmarks.questions import QUESTIONS, make_random_engine
from benchmarks.support import describe
from vipllava_cli.engine.base import Engine, ModelView
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn


def first_token_times(engine: Engine, view: ModelView, turns: int) -> list[float]:
    """Return the seconds to the first token of each turn of a new conversation."""
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


def main(rounds: int = 9, turns: int = 6) -> None:
    """Print the medians and the ratio."""
    engine = make_random_engine()
    view = engine.view(Image.effect_noise((336, 336), 80).convert("RGB"))
    first_token_times(engine, view, 2)
    measured = [first_token_times(engine, view, turns) for _ in range(rounds)]
    ratios = [median(later) / first for first, *later in measured]
    print(describe())
    print(f"first token of turn 1: {median(times[0] for times in measured) * 1000:.0f} ms")
    for turn in range(1, turns):
        print(
            f"first token of turn {turn + 1}:"
            f" {median(times[turn] for times in measured) * 1000:.0f} ms"
        )
    print(
        f"later turns take {median(ratios):.3f} of turn 1"
        f" (lowest {min(ratios):.3f}, highest {max(ratios):.3f}, {rounds} conversations)"
    )


if __name__ == "__main__":
    main()
