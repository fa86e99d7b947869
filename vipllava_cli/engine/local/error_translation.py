"""Exceptions of a running model -> one-line errors of this program."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from vipllava_cli.errors import GenerationError, ModelError, OutOfMemoryError, VipllavaError

# Of CUDA and MPS, of cuBLAS and of the CPU allocator.
_OUT_OF_MEMORY_TEXTS = ("out of memory", "STATUS_ALLOC_FAILED", "can't allocate memory")

# A panic of the Rust code in tokenizers and safetensors. It is no Exception, and has no public name
# (tokenizers 0.23.3, safetensors 0.8.0).
_PANIC = "PanicException"

# The note on an error of the output, which tells it from an OSError of a library.
OUTPUT_NOTE = "raised while the text of an answer was written"


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, CUDA or the CPU allocator ran out of memory."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        text in str(error) for text in _OUT_OF_MEMORY_TEXTS
    )


def is_library_error(error: BaseException) -> bool:
    """Return whether a library raised an exception: any kind, or a panic of its Rust code."""
    return isinstance(error, Exception) or _is_panic(error)


@contextmanager
def output_errors() -> Iterator[None]:
    """Mark an OSError as one of the output, so that `translate_errors` does not change it."""
    try:
        yield
    except OSError as error:
        error.add_note(OUTPUT_NOTE)
        raise


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turn what libraries raise during a run into GenerationError, OutOfMemoryError or ModelError.

    Errors of this program and of the output, which a stream of text writes (`output_errors`), stay as
    they are.
    """
    try:
        yield
    except VipllavaError:
        raise
    except BaseException as error:  # tokenizers and transformers raise any kind
        if not is_library_error(error) or OUTPUT_NOTE in getattr(error, "__notes__", ()):
            raise
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                "out of memory while answering: use a smaller model, --dtype bf16 or --device cpu"
            ) from error
        reason = error_text(error)
        if _is_panic(error):
            raise ModelError(
                f"the tokenizer of the model failed: {reason}; get the checkpoint again"
            ) from error
        raise GenerationError(f"generation failed: {reason}") from error


def error_text(error: BaseException) -> str:
    """Return the text of an exception in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def _is_panic(error: BaseException) -> bool:
    return type(error).__name__ == _PANIC
