"""Compare the time to score eight choices with that of one generated answer of the same length.

    python -m benchmarks.choices

The model has the public checkpoints' image geometry (336 pixels, 576 tokens), random weights, and a
size that two cores can run. Both runs prefill the complete prompt. The answer has as many tokens as the
longest choice, plus the one that ends it.
"""

from functools import partial
from statistics import median
from typing import cast

import torch
from PIL import Image

from benchmarks.questions import make_random_engine
from benchmarks.support import describe, seconds
from vipllava_cli.engine.base import Prompt
from vipllava_cli.engine.local.engines import VipLlavaEngine
from vipllava_cli.engine.options import GenerationOptions

CHOICES = ("a dog", "a cat", "a red car", "an old tree", "two birds", "a bowl", "a man", "nothing")


def log_likelihood_in_full(engine: VipLlavaEngine, prompt: Prompt, choice: str) -> float:
    """Compute the log-likelihood of a choice in one run over the complete text, without a cache."""
    ids = engine.encode(prompt.text + choice)
    stop = engine.encode(prompt.text + choice + "###")[len(ids)]
    with torch.inference_mode():
        logits = engine.model(
            input_ids=torch.tensor([ids]), pixel_values=cast(torch.Tensor, prompt.view.pixels)
        ).logits[0]
    scores = logits.double().log_softmax(-1)
    choice_score = sum(
        float(scores[index - 1, ids[index]]) for index in range(len(prompt.ids), len(ids))
    )
    return choice_score + float(scores[-1, [*engine.end_tokens, stop]].logsumexp(0))


def run(engine: VipLlavaEngine, prompt: Prompt, options: GenerationOptions) -> None:
    """Answer once."""
    list(engine.answer([prompt], options))


def main(rounds: int = 9) -> None:
    """Print the medians and the ratio."""
    engine = make_random_engine()
    view = engine.view(Image.effect_noise((336, 336), 80).convert("RGB"))
    prompt = engine.prompt(view, "what is in the red box?")
    longest = max(len(engine.encode(prompt.text + choice)) for choice in CHOICES) - len(prompt.ids)
    scored = GenerationOptions(choices=CHOICES)
    generated = GenerationOptions(max_new_tokens=longest + 1)
    times = []
    for number in range(rounds + 1):
        pair = [seconds(partial(run, engine, prompt, options)) for options in (scored, generated)]
        if number:  # the first round warms up
            times.append(pair)
    ratios = [eight / one for eight, one in times]
    print(describe())
    print(
        f"eight choices of up to {longest} tokens: {median(eight for eight, _ in times) * 1000:.0f} ms"
    )
    print(f"one answer of {longest + 1} tokens: {median(one for _, one in times) * 1000:.0f} ms")
    print(
        f"the choices take {median(ratios):.2f} of the answer"
        f" (lowest {min(ratios):.2f}, highest {max(ratios):.2f}, {rounds} rounds)"
    )
    (answer,) = engine.answer([prompt], scored)
    expected = torch.tensor(
        [log_likelihood_in_full(engine, prompt, choice) for choice in CHOICES]
    ).softmax(0)
    difference = max(
        abs(choice.probability - float(probability))
        for choice, probability in zip(answer.choices, expected, strict=True)
    )
    print(f"probabilities differ from those of eight full runs by at most {difference:.1e}")


if __name__ == "__main__":
    main()
