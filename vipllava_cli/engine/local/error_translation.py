"""What goes wrong while a model runs, as errors of our family."""

from collections.abc import Iterator
from contextlib import contextmanager

from vipllava_cli.engine.local.loading import is_out_of_memory
from vipllava_cli.errors import GenerationError, OutOfMemoryError


@contextmanager
def translate_errors() -> Iterator[None]:
    """Turns what torch raises during a run into one line."""
    try:
        yield
    except (RuntimeError, ValueError, IndexError, MemoryError) as error:
        if is_out_of_memory(error):
            raise OutOfMemoryError(
                "out of memory while answering: use a smaller model, --dtype bf16 or --device cpu"
            ) from error
        why = " ".join(str(error).split())[:300]
        raise GenerationError(f"generation failed: {why}") from error
