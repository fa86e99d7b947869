"""How likely answers are that are given: read behind one prompt, all in one batch."""

import math
import time
from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import DynamicCache

from vipllava_cli.engine.base import Answer, Choice, Prompt
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.prompts.templates import STOPS


def score_choices(
    inputs: ModelInputs,
    prompt: Prompt,
    cache: DynamicCache,
    choices: Sequence[str],
    start: float,
) -> Answer:
    """The likeliest of the choices, and of each how likely the model is to say it and then to stop.
    `cache` holds the prompt up to the end of its image, or more, and is used up.
    """
    rows = [inputs.encode(prompt.text + choice) for choice in choices]
    for row in rows:
        inputs.check_prompt_length(len(row))
    read, shared = cache.get_seq_length(), _shared([prompt.ids, *rows])
    said = [row[shared:] for row in rows]
    with torch.inference_mode(), translate_errors():
        first = _scores(inputs, cache, [prompt.ids[read:shared]])[:, -1:]
        cache.batch_repeat_interleave(len(rows))
        scores = _scores(inputs, cache, said)
        scores = torch.cat([first.expand(len(rows), -1, -1), scores], dim=1)
    found = [
        _log_likelihood(scores[number], own, _ends(inputs, prompt.text + choice, row))
        for number, (own, choice, row) in enumerate(zip(said, choices, rows, strict=True))
    ]
    shares = torch.tensor(found, dtype=torch.float64).softmax(0).tolist()
    scored = tuple(map(Choice, choices, found, shares))
    best = max(range(len(rows)), key=found.__getitem__)
    seconds = time.perf_counter() - start
    return Answer(
        choices[best], "stop", len(prompt.ids), len(rows[best]) - len(prompt.ids), seconds, scored
    )


def _shared(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all begin with."""
    differ = (at for at, tokens in enumerate(zip(*rows, strict=False)) if len(set(tokens)) > 1)
    return next(differ, min(map(len, rows)))


def _scores(inputs: ModelInputs, cache: DynamicCache, rows: Sequence[Sequence[int]]) -> Tensor:
    """Log-probabilities [rows, longest, vocabulary] of what follows each token. What pads a row lies
    behind it, where its own tokens do not look.
    """
    longest = max(map(len, rows))
    padded = [[*row, *[inputs.ends[0]] * (longest - len(row))] for row in rows]
    output = inputs.model(
        input_ids=torch.tensor(padded, device=inputs.device), past_key_values=cache, use_cache=True
    )
    scores: Tensor = output.logits.float().log_softmax(-1)
    return scores


def _log_likelihood(scores: Tensor, said: Sequence[int], ends: Sequence[int]) -> float:
    """Of the tokens, and of one of the ends after them."""
    places = torch.arange(len(said), device=scores.device)
    words = scores[places, torch.tensor(said, device=scores.device)].double().sum()
    total = float(words + scores[len(said), list(ends)].double().logsumexp(0))
    return total if math.isfinite(total) else -math.inf


def _ends(inputs: ModelInputs, text: str, ids: Sequence[int]) -> list[int]:
    """The tokens by which the model ends an answer there: its own, and those that begin a stop text."""
    ends = set(inputs.ends)
    for stop in STOPS:
        longer = inputs.encode(text + stop)
        if longer[: len(ids)] == ids:
            ends.add(longer[len(ids)])
    return sorted(ends)
