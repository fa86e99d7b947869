"""How long it takes to weigh eight choices beside one answer of the same length.

The model has the public checkpoints' image geometry (336 pixels, 576 tokens), random weights and a
size that two cores can run. Both read the whole prompt; the answer then makes as many tokens as the
longest choice has, with the one that ends it.
"""

from statistics import median
from typing import cast

import torch
from PIL import Image

from benchmarks.machine import describe, seconds
from benchmarks.questions import public_geometry
from vipllava_cli.engine.base import GenerationOptions, Prompt
from vipllava_cli.engine.local.generate import LocalEngine

CHOICES = ("a dog", "a cat", "a red car", "an old tree", "two birds", "a bowl", "a man", "nothing")


def in_full(engine: LocalEngine, prompt: Prompt, choice: str) -> float:
    """The log-likelihood of a choice from a run over the whole text, without a cache."""
    ids, ends = engine.encode(prompt.text + choice), engine.ends
    stop = engine.encode(prompt.text + choice + "###")[len(ids)]
    with torch.inference_mode():
        logits = engine.model(
            input_ids=torch.tensor([ids]), pixel_values=cast(torch.Tensor, prompt.view.pixels)
        ).logits[0]
    scores = logits.double().log_softmax(-1)
    said = sum(float(scores[at - 1, ids[at]]) for at in range(len(prompt.ids), len(ids)))
    return said + float(scores[-1, [*ends, stop]].logsumexp(0))


def main(rounds: int = 9) -> None:
    """Print the medians and the ratio."""
    engine = public_geometry()
    view = engine.view(Image.effect_noise((336, 336), 80).convert("RGB"))
    prompt = engine.prompt(view, "what is in the red box?")
    longest = max(len(engine.encode(prompt.text + choice)) for choice in CHOICES) - len(prompt.ids)
    scored = GenerationOptions(choices=CHOICES)
    generated = GenerationOptions(max_new_tokens=longest + 1)
    taken = []
    for round_ in range(rounds + 1):
        pair = [seconds(lambda o=o: list(engine.answer([prompt], o))) for o in (scored, generated)]
        if round_:  # the first warms up
            taken.append(pair)
    ratios = [eight / one for eight, one in taken]
    print(describe())
    print(f"eight choices of up to {longest} tokens: {median(e for e, _ in taken) * 1000:.0f} ms")
    print(f"one answer of {longest + 1} tokens: {median(o for _, o in taken) * 1000:.0f} ms")
    print(
        f"the choices take {median(ratios):.2f} of the answer"
        f" (lowest {min(ratios):.2f}, highest {max(ratios):.2f}, {rounds} rounds)"
    )
    (answer,) = engine.answer([prompt], scored)
    apart = torch.tensor([in_full(engine, prompt, choice) for choice in CHOICES]).softmax(0)
    off = max(abs(c.probability - float(p)) for c, p in zip(answer.choices, apart, strict=True))
    print(f"probabilities differ from those of eight runs in full by at most {off:.1e}")


if __name__ == "__main__":
    main()
