"""Scoring eight choices, against one generated answer of the same length.

Both prefill the complete prompt. The answer has as many tokens as the longest choice, plus the one that
ends it.
"""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.bench import Bench
from benchmarks.measuring import Measure, interleave, summarize, summarize_ratio

if TYPE_CHECKING:
    from vipllava_cli.engine.base import Prompt
    from vipllava_cli.engine.local.generate import LocalEngine
    from vipllava_cli.engine.options import GenerationOptions

CHOICES = ("a dog", "a cat", "a red car", "an old tree", "two birds", "a bowl", "a man", "nothing")


def log_likelihood_in_full(
    engine: "LocalEngine", model: Any, prompt: "Prompt", choice: str
) -> float:
    """Compute the log-likelihood of a choice in one run of a model over the complete text.

    The engine encodes the text.
    """
    import torch

    ids = engine.encode(prompt.text + choice)
    stop = engine.encode(prompt.text + choice + "###")[len(ids)]
    rows = torch.tensor([ids], device=engine.device)
    with torch.inference_mode():
        output = model(input_ids=rows, **engine.image_inputs([prompt.view], rows))
    logits = output.logits[0]
    scores = logits.double().log_softmax(-1)
    choice_score = sum(
        float(scores[index - 1, ids[index]]) for index in range(len(prompt.ids), len(ids))
    )
    return choice_score + float(scores[-1, sorted({*engine.end_tokens, stop})].logsumexp(0))


def answer(engine: "LocalEngine", prompt: "Prompt", options: "GenerationOptions") -> None:
    """Answer once."""
    list(engine.answer([prompt], options))


def run(bench: Bench) -> Iterator[Measure]:
    """Measure both in float32, and how far the probabilities are from those of eight full runs."""
    import torch
    from PIL import Image

    from vipllava_cli.engine.options import GenerationOptions

    engine = bench.open(dtype="fp32")
    view = engine.view(Image.effect_noise((336, 336), 80).convert("RGB"))
    prompt = engine.prompt(view, "what is in the red box?")
    longest = max(len(engine.encode(prompt.text + choice)) for choice in CHOICES) - len(prompt.ids)
    scored = GenerationOptions(choices=CHOICES)
    generated = GenerationOptions(max_new_tokens=longest + 1)
    works = {
        "eight choices": partial(answer, engine, prompt, scored),
        "one answer": partial(answer, engine, prompt, generated),
    }
    times = interleave(works, bench.choose(5, 1))
    for name, values in times.items():
        note = f"{longest} tokens" if name == "eight choices" else f"{longest + 1} tokens"
        yield summarize(name, [1000 * each for each in values], "ms", note=note)
    ratio = summarize_ratio(
        "eight choices relative to one answer", times["eight choices"], times["one answer"]
    )
    yield ratio
    (scores,) = engine.answer([prompt], scored)
    full = [log_likelihood_in_full(engine, engine.model, prompt, choice) for choice in CHOICES]
    expected = torch.tensor(full).softmax(0).tolist()
    pairs = zip(scores.choices, expected, strict=True)
    error = max(abs(choice.probability - probability) for choice, probability in pairs)
    yield Measure("largest difference of a probability from a full run", error)
