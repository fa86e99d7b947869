"""Garbage collection while modules are imported and a model is loaded."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def paused_collection(*, freezes: bool = False) -> Iterator[None]:
    """Collect no garbage during the block.

    Imports make a million objects that stay. The collector would look at all of them again and again,
    and take a sixth of the time of a start. `freezes` lets it leave them out afterwards, too, once in a
    process: only for one that keeps them until its end.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        if freezes and not gc.get_freeze_count():  # not what an earlier model left
            gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
