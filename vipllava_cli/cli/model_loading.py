"""Open the model that the options name."""

from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.cli.options import ModelOptions
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.hub.registry import PUBLISHED
from vipllava_cli.engine.open import identify, open_engine
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.storage.sizes import binary_size, decimal_size

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.placement_types import Placement

TINY_NOTICE = (
    "using the default model tiny, which knows only clip-art scenes; for photographs:"
    f" `vipllava models pull 7b` ({decimal_size(PUBLISHED['7b'].size)}), then"
    " `vipllava models use 7b`"
)


def open_model(options: ModelOptions, messages: Messages) -> Engine:
    """Load the chosen model. Print a note if it is the default. Raises UsageError, ModelError."""
    chosen = options.chosen()
    if not chosen.model:
        messages.note(TINY_NOTICE)
    with messages.waiting("loading the model"):
        engine = open_engine(
            chosen.model or DEFAULT_MODEL,
            revision=chosen.revision,
            load_options=options.load_options(),
            on_plan=partial(_show_placement, messages),
        )
    info = engine.info
    messages.detail(f"{info.name} at {info.revision}, {info.dtype} on {info.device}")
    return engine


def _show_placement(messages: Messages, placement: "Placement") -> None:
    """Print the placement of a model, and a note if some weights stay on disk."""
    from vipllava_cli.cli.terminal.plan import placement_line, placement_table

    if messages.verbose:
        messages.console.print(placement_table(placement))
    messages.detail(placement_line(placement))
    on_disk = placement.weights_at("disk")
    if on_disk:
        messages.note(
            f"{binary_size(on_disk)} of weights do not fit into memory and are read from the disk"
            " for every token: --quantize makes them smaller, `vipllava plan` shows the sizes"
        )


def identify_model(options: ModelOptions) -> tuple[str, str]:
    """Return the name and revision of the chosen model without loading it, as records hold them.

    Raises UsageError, ModelError.
    """
    chosen = options.chosen()
    return identify(chosen.model or DEFAULT_MODEL, chosen.revision)
