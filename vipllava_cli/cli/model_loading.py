"""What every subcommand that answers does: open the model that its flags name."""

from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.cli.options import ModelOptions
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.engine.base import DEFAULT_MODEL, Engine
from vipllava_cli.engine.open import identify, open_engine
from vipllava_cli.storage.sizes import binary_size

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.placement import Placement

TINY_NOTICE = (
    "using tiny, the demo model in this package: it knows only clip-art scenes. For photographs:"
    " `vipllava models pull 7b` (14.2 GB), then `vipllava models use 7b`"
)


def open_model(flags: ModelOptions, messages: Messages) -> Engine:
    """The engine; that nobody chose it is said. Raises ModelError."""
    chosen = flags.chosen()
    if not chosen.model:
        messages.note(TINY_NOTICE)
    with messages.waiting("loading the model"):
        engine = open_engine(
            chosen.model or DEFAULT_MODEL,
            revision=chosen.revision,
            load_options=flags.load_options(),
            on_plan=partial(_show, messages),
        )
    info = engine.info
    messages.detail(f"{info.name} at {info.revision}, {info.dtype} on {info.device}")
    return engine


def _show(messages: Messages, placement: "Placement") -> None:
    """The plan by which a model is loaded, and what of it slows every token down."""
    from vipllava_cli.cli.terminal.plan import placement_line, placement_table

    if messages.verbose:
        messages.console.print(placement_table(placement))
    messages.detail(placement_line(placement))
    on_disk = placement.weights_at("disk")
    if on_disk:
        messages.note(
            f"{binary_size(on_disk)} of the weights do not fit into memory and are read from the disk"
            " for every token: --quantize makes them smaller, `vipllava plan` says how much"
        )


def identify_model(flags: ModelOptions) -> tuple[str, str]:
    """The name and revision that records will say of that engine, without loading it. Raises
    ModelError.
    """
    chosen = flags.chosen()
    return identify(chosen.model or DEFAULT_MODEL, chosen.revision)
