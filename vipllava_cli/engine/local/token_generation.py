"""Prompts in, new tokens out: by the program's own loop where the model allows it."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vipllava_cli.engine.local.decoding import DecodeRequest
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.library_generate import library_generate


def generate_tokens(inputs: ModelInputs, request: DecodeRequest) -> list[list[int]]:
    """Return the new tokens of each row. What follows the end of an answer is padding.

    Raises GenerationError and OutOfMemoryError.
    """
    with _own_random_numbers(inputs, request), translate_errors():
        if inputs.has_own_loop and inputs.decoder.supports_model:
            return inputs.decoder.run(request)
        return library_generate(inputs, request)


@contextmanager
def _own_random_numbers(inputs: ModelInputs, request: DecodeRequest) -> Iterator[None]:
    """Seed the random numbers of a run that draws tokens. Keeps those of the caller."""
    if request.options.temperature == 0:
        yield
        return
    with torch.random.fork_rng(inputs.gpus):
        torch.manual_seed(request.options.seed)
        yield
