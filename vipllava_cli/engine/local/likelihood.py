"""Score choices by their likelihood: all choices of a question as one batch after one prefill."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import DynamicCache

from vipllava_cli.engine.base import Answer, Choice, Prompt
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.finite_scores import check_scores
from vipllava_cli.engine.local.inputs import ModelInputs


@dataclass(frozen=True)
class EncodedChoices:
    """The choices of a question as tokens.

    `rows` hold the complete texts, of which the first `shared` tokens are equal. `ends` are the tokens
    that end an answer after each choice.
    """

    rows: tuple[tuple[int, ...], ...]
    shared: int
    ends: tuple[tuple[int, ...], ...]


def encode_choices(
    inputs: ModelInputs, text: str, ids: tuple[int, ...], choices: Sequence[str]
) -> EncodedChoices:
    """Encode choices behind a prompt, given as text and token ids.

    Raises UsageError for a choice with a control word, or one that makes the prompt too long.
    """
    for choice in choices:
        inputs.check_words(choice, "choice")
    rows = tuple(inputs.encode(text + choice) for choice in choices)
    for row in rows:
        inputs.check_prompt_length(len(row))
    ends = (
        _end_tokens(inputs, text + choice, row) for choice, row in zip(choices, rows, strict=True)
    )
    return EncodedChoices(rows, _shared_length([ids, *rows]), tuple(map(tuple, ends)))


def score_choices(
    inputs: ModelInputs,
    prompt: Prompt,
    cache: DynamicCache,
    choices: Sequence[str],
    start: float,
) -> Answer:
    """Answer with the likeliest choice. Each score is the likelihood of its text followed by a stop.

    `cache` holds the prompt at least up to the end of its image; this function consumes it. `start`
    is the `time.perf_counter()` from which `seconds` counts.

    Raises UsageError if a choice makes the prompt too long, and GenerationError.
    """
    encoded = encode_choices(inputs, prompt.text, prompt.ids, choices)
    rows, shared = encoded.rows, encoded.shared
    cached = cache.get_seq_length()
    continuations = [row[shared:] for row in rows]
    with torch.inference_mode(), translate_errors():
        # Run the rest of the shared tokens once. Its last position predicts each first token.
        first = _log_probabilities(inputs, prompt, cache, [prompt.ids[cached:shared]])[:, -1:]
        cache.batch_repeat_interleave(len(rows))
        rest = _log_probabilities(inputs, prompt, cache, continuations)
        scores = torch.cat([first.expand(len(rows), -1, -1), rest], dim=1)
    likelihoods = [
        log_likelihood(scores[number], tokens, ends)
        for number, (tokens, ends) in enumerate(zip(continuations, encoded.ends, strict=True))
    ]
    answer = choice_answer(prompt, choices, rows, likelihoods)
    return replace(answer, seconds=time.perf_counter() - start)


def score_choices_plain(
    inputs: ModelInputs, prompt: Prompt, choices: Sequence[str], start: float
) -> Answer:
    """Answer as `score_choices` does, without a prefix cache: each choice reads the complete prompt.

    Raises UsageError if a choice makes the prompt too long, and GenerationError.
    """
    encoded = encode_choices(inputs, prompt.text, prompt.ids, choices)
    likelihoods = []
    for row, ends in zip(encoded.rows, encoded.ends, strict=True):
        tokens = row[encoded.shared :]
        ids = torch.tensor([row], device=inputs.device)
        with torch.inference_mode(), translate_errors():
            output = inputs.model(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                logits_to_keep=len(tokens) + 1,
                **inputs.image_inputs([prompt.view], ids, len(tokens)),
            )
            check_scores(output.logits)
            scores = output.logits[0].float().log_softmax(-1)
            likelihoods.append(log_likelihood(scores, tokens, ends))
    answer = choice_answer(prompt, choices, encoded.rows, likelihoods)
    return replace(answer, seconds=time.perf_counter() - start)


def choice_answer(
    prompt: Prompt,
    choices: Sequence[str],
    rows: Sequence[Sequence[int]],
    likelihoods: Sequence[float],
) -> Answer:
    """Make the answer with the likeliest choice. `rows` hold the tokens of the complete texts."""
    probabilities = torch.tensor(likelihoods, dtype=torch.float64).softmax(0).tolist()
    best = max(range(len(rows)), key=likelihoods.__getitem__)
    return Answer(
        choices[best],
        "stop",
        len(prompt.ids),
        len(rows[best]) - len(prompt.ids),
        0.0,
        tuple(map(Choice, choices, likelihoods, probabilities)),
    )


def _shared_length(rows: Sequence[Sequence[int]]) -> int:
    """Count the tokens that start all rows."""
    columns = enumerate(zip(*rows, strict=False))
    differences = (index for index, tokens in columns if len(set(tokens)) > 1)
    return next(differences, min(map(len, rows)))


def _log_probabilities(
    inputs: ModelInputs, prompt: Prompt, cache: DynamicCache, rows: Sequence[Sequence[int]]
) -> Tensor:
    """Return the log-probabilities of each next token: float32 [rows, longest, vocabulary].

    `rows` follow the start of the prompt, which is in the cache. They are padded on the right. A causal
    model never attends to that padding from a row's own tokens.
    """
    longest = max(map(len, rows))
    padded = [[*row, *[inputs.end_tokens[0]] * (longest - len(row))] for row in rows]
    ids = torch.tensor(padded)
    cached = cache.get_seq_length()
    complete = torch.cat([torch.tensor([prompt.ids[:cached]]).expand(len(rows), -1), ids], dim=1)
    output = inputs.model(
        input_ids=ids.to(inputs.device),
        cache=cache,
        use_cache=True,
        **inputs.rest_inputs([prompt.view] * len(rows), complete, None, cached),
    )
    check_scores(output.logits)
    scores: Tensor = output.logits.float().log_softmax(-1)
    return scores


def log_likelihood(scores: Tensor, tokens: Sequence[int], ends: Sequence[int]) -> float:
    """Return the log-likelihood of the tokens followed by any of the end tokens."""
    positions = torch.arange(len(tokens), device=scores.device)
    # MPS has no float64.
    text = scores[positions, torch.tensor(tokens, device=scores.device)].cpu().double().sum()
    total = float(text + scores[len(tokens), list(ends)].cpu().double().logsumexp(0))
    return total if math.isfinite(total) else -math.inf


def _end_tokens(inputs: ModelInputs, text: str, ids: Sequence[int]) -> list[int]:
    """Return the tokens that end an answer after `text`: the model's, and the starts of stop texts."""
    ends = set(inputs.end_tokens)
    for stop in inputs.stops:
        with_stop = inputs.encode(text + stop)
        if with_stop[: len(ids)] == ids:
            ends.add(with_stop[len(ids)])
    return sorted(ends)
