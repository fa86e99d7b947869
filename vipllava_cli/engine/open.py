"""Open an engine. Only `open_engine` imports torch, when it is called."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from vipllava_cli.engine.base import Engine, ViewSize
from vipllava_cli.engine.collection import paused_collection
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.storage.folders import check_working_folder

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.engine.hardware.placement_types import Placement
    from vipllava_cli.engine.server.config import ServerModel
    from vipllava_cli.engine.server.opening import ServerOptions

# These libraries log on import, or about layers on the disk. Users do not need these messages.
_VERBOSE_LIBRARIES = ("torchao", "torch.utils._pytree", "accelerate")

_MAX_FIELDS = 5  # names in a note

# Large memory pages for torch's allocator, if the system has them: the kernel takes longer to map a
# gigabyte in small pages than the program takes to fill it. Torch reads this variable on import.
_LARGE_PAGES = ("THP_MEM_ALLOC_ENABLE", "1")


def open_engine(
    model: str = DEFAULT_MODEL,
    *,
    revision: str | None = None,
    device: str = "auto",
    dtype: str = "auto",
    load_options: "LoadOptions | None" = None,
    on_plan: "Callable[[Placement], None] | None" = None,
    server_options: "ServerOptions | None" = None,
    on_note: Callable[[str], None] | None = None,
) -> Engine:
    """Load a model: `tiny`, `7b`, `13b`, a hub name, a folder, or the name of a model on a server.

    `load_options` override `device` and `dtype`; a server decides about them itself. `on_plan` receives
    the placement before the weights are loaded. `server_options` and `on_note` are for servers: what
    changes during the answers becomes a note for the user.

    Raises UsageError for a revision of a model that has none, ModelError if the model is missing,
    damaged or does not fit, or if its server cannot be used, and OutOfMemoryError.
    """
    server = find_server(model)
    if server is not None:
        from vipllava_cli.engine.server.opening import open_server

        refuse_revision(model, revision)
        return open_server(server, server_options, on_note)
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model, revision)
    check_working_folder()
    os.environ.setdefault(*_LARGE_PAGES)
    for library in _VERBOSE_LIBRARIES:
        logging.getLogger(library).setLevel(logging.ERROR)
    with paused_collection():
        from vipllava_cli.engine.local.deferred_imports import defer_imports

        defer_imports()
        from vipllava_cli.engine.local.engines import make_engine
        from vipllava_cli.engine.local.loading import load

        chosen = load_options or LoadOptions(device, dtype)
        return make_engine(checkpoint, load(checkpoint, chosen, on_plan))


def find_server(model: str) -> "ServerModel | None":
    """Return the model on a server that a name means, None for the name of a model on this machine.

    Raises UsageError if the settings cannot be read.
    """
    from vipllava_cli.storage.settings import read_settings

    if not (model.startswith("openai:") or model in read_settings().servers):
        return None
    from vipllava_cli.engine.server.config import find_server_model

    return find_server_model(model)


def refuse_revision(model: str, revision: str | None) -> None:
    """Raise UsageError if a revision of a model on a server is given."""
    if revision is not None:
        raise UsageError(f"{model} runs on a server and has no revisions: remove --revision")


def ignored_settings(model: str = DEFAULT_MODEL, revision: str | None = None) -> list[str]:
    """Return the fields of generation_config.json that the program does not use. Raises ModelError."""
    if find_server(model):
        return []
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_generation
    from vipllava_cli.engine.hub.checks.schema import ignored_generation_fields

    checkpoint = find_checkpoint(model, revision)
    return ignored_generation_fields(read_generation(checkpoint.folder, checkpoint.name))


def ignored_settings_note(model: str = DEFAULT_MODEL, revision: str | None = None) -> str:
    """Name the settings of a checkpoint that change no answer here; empty without any.

    Raises ModelError.
    """
    fields = ignored_settings(model, revision)
    if not fields:
        return ""
    more = f" and {len(fields) - _MAX_FIELDS} more" if len(fields) > _MAX_FIELDS else ""
    shown = ", ".join(short_repr(field).strip("'") for field in fields[:_MAX_FIELDS])
    return (
        f"generation_config.json of {model} sets {shown}{more}, which is not used: only the options"
        " that you give and the token ids of that file count"
    )


def read_view_size(model: str = DEFAULT_MODEL, revision: str | None = None) -> ViewSize | None:
    """Return what a model sees, from its config and without torch.

    None for a model on a server, and for one that sees an image in several sizes or tiles. Raises
    ModelError.
    """
    if find_server(model):
        return None
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_config
    from vipllava_cli.engine.hub.config_defaults import VISION_DEFAULTS
    from vipllava_cli.engine.local.families import find_family

    checkpoint = find_checkpoint(model, revision)
    config = read_config(checkpoint.folder, checkpoint.name)
    family = find_family(config, checkpoint.name)
    if family is not None and not family.pads_image:
        return None
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    return ViewSize(int(vision["image_size"]), int(vision["patch_size"]))


def find_template(template: str, model: str = DEFAULT_MODEL, revision: str | None = None) -> str:
    """Return the template that a choice of one means for a model, without torch.

    Raises UsageError for a template of ViP-LLaVA with another model, and ModelError.
    """
    from vipllava_cli.engine.prompts.templates import choose_template

    server = find_server(model)
    if server is not None:
        return choose_template(template, server.model, is_vipllava=False, is_on_server=True)
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_config
    from vipllava_cli.engine.local.families import find_family

    checkpoint = find_checkpoint(model, revision)
    config = read_config(checkpoint.folder, checkpoint.name)
    is_vipllava = find_family(config, checkpoint.name) is None
    return choose_template(template, checkpoint.name, is_vipllava=is_vipllava)


def identify(model: str = DEFAULT_MODEL, revision: str | None = None) -> tuple[str, str]:
    """Return the name and revision that records will contain, without torch. Raises ModelError."""
    server = find_server(model)
    if server is not None:
        from vipllava_cli.engine.server.engine import info_of

        refuse_revision(model, revision)
        return info_of(server).name, info_of(server).revision
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model, revision)
    return checkpoint.name, checkpoint.revision
