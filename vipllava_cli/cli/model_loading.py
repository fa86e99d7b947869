"""Open the model that the options name."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields
from functools import partial
from typing import TYPE_CHECKING

from vipllava_cli.cli.options import ModelOptions
from vipllava_cli.cli.photo_warning import advise_photo_model
from vipllava_cli.cli.server_options import NO_SERVER_FLAGS, ServerFlags
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.engine.base import Engine, ViewSize
from vipllava_cli.engine.collection import paused_collection
from vipllava_cli.engine.family import model_reference
from vipllava_cli.engine.open import (
    find_server,
    find_template,
    identify,
    ignored_settings_note,
    open_engine,
    read_view_size,
)
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.engine.prompts.references import Reference
from vipllava_cli.errors import VipllavaError
from vipllava_cli.storage.daily_stamp import take_daily_turn
from vipllava_cli.storage.settings import read_settings
from vipllava_cli.storage.sizes import binary_size

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.placement_types import Placement
    from vipllava_cli.engine.server.config import ServerModel

_TINY_STAMP = "tiny-notice"


def open_model(
    options: ModelOptions, messages: Messages, server: ServerFlags = NO_SERVER_FLAGS
) -> Engine:
    """Load the chosen model, or connect to its server. Once a day, print a note if nobody chose it.

    Raises UsageError, ModelError.
    """
    chosen = options.chosen()
    on_server = find_server(chosen.model or DEFAULT_MODEL)
    if on_server is not None:
        return open_server_model(on_server, options, chosen.revision, server, messages)
    server.refuse_for_local(chosen.model or DEFAULT_MODEL)
    if not (chosen.model or messages.quiet) and take_daily_turn(_TINY_STAMP):
        messages.note(_tiny_notice())
    with messages.waiting("loading the model"), paused_collection(freezes=True):
        engine = open_engine(
            chosen.model or DEFAULT_MODEL,
            revision=chosen.revision,
            load_options=options.load_options(),
            on_plan=partial(_show_placement, messages),
        )
    info = engine.info
    if ignored := ignored_settings_note(chosen.model or DEFAULT_MODEL, chosen.revision):
        messages.note(ignored)
    messages.detail(info.summary)
    messages.detail(info.image_note)
    return engine


def open_later(
    options: ModelOptions, messages: Messages, server: ServerFlags
) -> Callable[[], Engine]:
    """Return what opens the model when it is needed."""
    return lambda: open_model(options, messages, server)


def open_ahead(
    options: ModelOptions, messages: Messages, server: ServerFlags
) -> Callable[[], Engine]:
    """Return what opens the model. A model on a server is opened now.

    So the check that images reach it runs while the program imports what reads and draws images. Errors
    are those of `open_model`, when the model is needed.
    """
    if find_server(options.chosen().model or DEFAULT_MODEL) is None:
        return open_later(options, messages, server)
    try:
        engine = open_model(options, messages, server)
    except VipllavaError as error:
        raised = error

        def fail() -> Engine:
            raise raised

        return fail
    return lambda: engine


def open_server_model(
    server: "ServerModel",
    options: ModelOptions,
    revision: str | None,
    flags: ServerFlags,
    messages: Messages,
) -> Engine:
    """Connect to the server of a model. Print a note about options that mean nothing there."""
    saved = read_settings().options
    unused = [
        f"--{each.name.replace('_', '-')}"
        for each in fields(ModelOptions)
        if each.name not in ("model", "revision")
        and getattr(options, each.name) != each.default
        and getattr(options, each.name) != saved.get(each.name)
    ]
    if unused:
        have = "has" if len(unused) == 1 else "have"
        messages.note(
            f"{' and '.join(unused)} {have} no effect: {server.name} runs on a server, which decides"
            " that itself"
        )
    chosen = flags.server_options()
    checking = f"checking that images reach {server.model}"
    with messages.waiting(checking) if chosen.waits_for_check else nullcontext():
        engine = open_engine(
            server.name,
            revision=revision,
            server_options=chosen,
            on_note=messages.note,
        )
    messages.detail(engine.info.summary)
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


def model_view_size(options: ModelOptions) -> ViewSize | None:
    """Return what the chosen model sees, without loading it; None if a server runs it.

    Raises UsageError, ModelError.
    """
    chosen = options.chosen()
    return read_view_size(chosen.model or DEFAULT_MODEL, chosen.revision)


def chosen_template(template: str, options: ModelOptions) -> str:
    """Return the template that a choice of one means for the chosen model, without loading it.

    Raises UsageError, ModelError.
    """
    chosen = options.chosen()
    return find_template(template, chosen.model or DEFAULT_MODEL, chosen.revision)


def identify_model(options: ModelOptions) -> tuple[str, str]:
    """Return the name and revision of the chosen model without loading it, as records hold them.

    Raises UsageError, ModelError.
    """
    chosen = options.chosen()
    return identify(chosen.model or DEFAULT_MODEL, chosen.revision)


def choose_mark_style(style: str, options: ModelOptions) -> Reference:
    """Return how questions to the chosen model refer to marks. Raises UsageError, ModelError."""
    chosen = options.chosen()
    return model_reference(style, chosen.model or DEFAULT_MODEL, chosen.revision)
