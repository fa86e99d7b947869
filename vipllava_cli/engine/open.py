"""Where torch lives: checkpoints, placement on devices, and the engine that answers."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from vipllava_cli.engine.base import DEFAULT_MODEL, Engine

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.placement import LoadOptions, Placement

# What torchao says when it is loaded, and accelerate of layers on the disk, is no user's concern.
_TALKATIVE = ("torchao", "torch.utils._pytree", "accelerate")

# Asks torch, before it is loaded, for memory in large pages where the system has them: to get a
# gigabyte in small ones takes longer than to fill it.
_LARGE_PAGES = ("THP_MEM_ALLOC_ENABLE", "1")


def open_engine(
    model: str = DEFAULT_MODEL,
    *,
    device: str = "auto",
    dtype: str = "auto",
    revision: str | None = None,
    load_options: "LoadOptions | None" = None,
    on_plan: "Callable[[Placement], None] | None" = None,
) -> Engine:
    """Load a model: `tiny`, `7b`, `13b`, a hub name or a folder. Raises ModelError.

    `load_options` say more than device and dtype and go before them; `on_plan` sees what goes where before it
    is loaded. This is the door to torch: nothing imports it before this call.
    """
    from vipllava_cli.engine.hardware.placement import LoadOptions
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model, revision)
    os.environ.setdefault(*_LARGE_PAGES)
    for library in _TALKATIVE:
        logging.getLogger(library).setLevel(logging.ERROR)
    from vipllava_cli.engine.local.generate import LocalEngine
    from vipllava_cli.engine.local.loading import load

    chosen = load_options or LoadOptions(device, dtype)
    return LocalEngine(checkpoint, load(checkpoint, chosen, on_plan))


def identify(model: str = DEFAULT_MODEL, revision: str | None = None) -> tuple[str, str]:
    """The name and revision that records will say, without torch. Raises ModelError."""
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model, revision)
    return checkpoint.name, checkpoint.revision
