"""Refuse scores that are no numbers: damaged weights would give empty or constant answers."""

import torch
from torch import Tensor
from transformers import LogitsProcessor
from transformers.generation.logits_process import LogitsProcessorList

from vipllava_cli.errors import GenerationError

NOT_FINITE_ERROR = (
    "the model computes no numbers (NaN or infinite scores): its weights are damaged, or need"
    " --dtype fp32"
)


class _FiniteScores(LogitsProcessor):
    """Checks the scores of each new token, and changes none."""

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        check_scores(scores)
        return scores


FINITE_SCORES = LogitsProcessorList([_FiniteScores()])


def check_scores(scores: Tensor) -> None:
    """Raise GenerationError if any row of scores [..., vocabulary] has no finite maximum.

    The maximum of a row with NaN is NaN. Sampling sets scores to minus infinity, which is no fault.
    """
    if not torch.isfinite(scores.amax(-1)).all():
        raise GenerationError(NOT_FINITE_ERROR)
