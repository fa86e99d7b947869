"""Fixtures of the training tests. They import torch lazily: a fast run loads this file too."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from training.model import TrainingModel


@pytest.fixture(scope="session")
def untrained() -> "TrainingModel":
    """Return an untrained model of the shipped size, with a tokenizer of a few conversations."""
    import torch
    from transformers import VipLlavaForConditionalGeneration

    from training.architecture import make_config, make_tokenizer
    from training.dataset import tokenizer_texts
    from training.model import TrainingModel

    torch.manual_seed(0)
    tokenizer = make_tokenizer(tokenizer_texts(50))
    return TrainingModel(VipLlavaForConditionalGeneration(make_config()), tokenizer)
