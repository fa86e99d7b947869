"""Open the model that the options name."""

from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.cli.options import ModelOptions
from vipllava_cli.cli.photo_warning import advise_photo_model
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.engine.base import Engine, ViewSize
from vipllava_cli.engine.open import identify, ignored_settings_note, open_engine, read_view_size
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.storage.daily_stamp import take_daily_turn
from vipllava_cli.storage.sizes import binary_size

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.placement_types import Placement

_TINY_STAMP = "tiny-notice"


def open_model(options: ModelOptions, messages: Messages) -> Engine:
    """Load the chosen model. Once a day, print a note if nobody chose it.

    Raises UsageError, ModelError.
    """
    chosen = options.chosen()
    if not (chosen.model or messages.quiet) and take_daily_turn(_TINY_STAMP):
        messages.note(_tiny_notice())
    with messages.waiting("loading the model"):
        engine = open_engine(
            chosen.model or DEFAULT_MODEL,
            revision=chosen.revision,
            load_options=options.load_options(),
            on_plan=partial(_show_placement, messages),
        )
    info = engine.info
    if ignored := ignored_settings_note(chosen.model or DEFAULT_MODEL, chosen.revision):
        messages.note(ignored)
    messages.detail(f"{info.name} at {info.revision}, {info.dtype} on {info.device}")
    return engine


def _tiny_notice() -> str:
    """Say what the default model knows, how to get another one, and how to hide this note."""
    return (
        f"using the default model {DEFAULT_MODEL}, which knows only clip-art scenes;"
        f" {advise_photo_model('vipllava models use {}')}; `vipllava models use {DEFAULT_MODEL}`"
        " hides this note"
    )


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


def model_view_size(options: ModelOptions) -> ViewSize:
    """Return what the chosen model sees, without loading it. Raises UsageError, ModelError."""
    chosen = options.chosen()
    return read_view_size(chosen.model or DEFAULT_MODEL, chosen.revision)


def identify_model(options: ModelOptions) -> tuple[str, str]:
    """Return the name and revision of the chosen model without loading it, as records hold them.

    Raises UsageError, ModelError.
    """
    chosen = options.chosen()
    return identify(chosen.model or DEFAULT_MODEL, chosen.revision)
