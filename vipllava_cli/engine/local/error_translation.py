"""Exceptions of a running model -> one-line errors of this program."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vipllava_cli.errors import GenerationError, OutOfMemoryError

_OUT_OF_MEMORY_TEXTS = ("out of memory", "can't allocate memory")  # of CUDA and the CPU allocator


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, CUDA or the CPU allocator ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        text in str(error) for text in _OUT_OF_MEMORY_TEXTS
    )


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what torch raises during a run into GenerationError or OutOfMemoryError."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                "out of memory while answering: use a smaller model, --dtype bf16 or --device cpu"
            ) from error
        reason = " ".join(str(error).split())[:300]
        raise GenerationError(f"generation failed: {reason}") from error
