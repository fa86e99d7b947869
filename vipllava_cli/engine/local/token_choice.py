"""Scores -> the next token of each row: the likeliest one, or one drawn at random."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from transformers.generation.logits_process import (
    LogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from vipllava_cli.engine.options import GenerationOptions

NOT_FINITE = -1  # in place of a token whose row of scores has no finite maximum

# Takes scores [rows, vocabulary]. Returns two int64 [rows]: the tokens to go on with, and those to
# report, which are NOT_FINITE where the model computes no numbers.
TokenChoice: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]

_TOP_K = 50  # what `generate` of transformers takes if nobody sets it; a seed keeps its answers


def token_choice(options: GenerationOptions) -> TokenChoice:
    """Return the choice that the options ask for. A choice never waits for a GPU."""
    return _draw_with(options) if options.temperature > 0 else choose_likeliest


def choose_likeliest(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Choose the token with the highest score."""
    scores = scores.float()
    tokens = scores.argmax(-1)
    return tokens, _report(tokens, scores)


def _draw_with(options: GenerationOptions) -> TokenChoice:
    """Draw as `generate` of transformers does, from the random numbers of torch."""
    steps: list[LogitsProcessor] = []
    if options.temperature != 1:
        steps.append(TemperatureLogitsWarper(options.temperature))
    steps.append(TopKLogitsWarper(_TOP_K))
    if options.top_p < 1:
        steps.append(TopPLogitsWarper(options.top_p))

    def draw(scores: Tensor) -> tuple[Tensor, Tensor]:
        scores = scores.float()
        is_finite = torch.isfinite(scores.amax(-1, keepdim=True))
        # `multinomial` stops the device at a NaN: draw from equal scores, and report no token.
        weighted = torch.where(is_finite, scores, torch.zeros_like(scores))
        for step in steps:
            weighted = step(None, weighted)
        tokens = torch.multinomial(weighted.softmax(-1), num_samples=1).squeeze(1)
        return tokens, _report(tokens, scores)

    return draw


def _report(tokens: Tensor, scores: Tensor) -> Tensor:
    """Replace tokens by NOT_FINITE in rows whose largest score is infinite or NaN."""
    return tokens.where(torch.isfinite(scores.amax(-1)), NOT_FINITE)
