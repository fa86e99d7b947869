"""Open an engine. Only `open_engine` imports torch, when it is called."""

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from vipllava_cli.engine.base import Engine, ViewSize
from vipllava_cli.engine.options import DEFAULT_MODEL
from vipllava_cli.errors import short_repr
from vipllava_cli.storage.folders import check_working_folder

if TYPE_CHECKING:
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.engine.hardware.placement_types import Placement

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
) -> Engine:
    """Load a model: `tiny`, `7b`, `13b`, a hub name or a folder.

    `load_options` override `device` and `dtype`. `on_plan` receives the placement before the weights
    are loaded.

    Raises UsageError for a revision of a model that has none, ModelError if the model is missing,
    damaged or does not fit, and OutOfMemoryError.
    """
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model, revision)
    check_working_folder()
    os.environ.setdefault(*_LARGE_PAGES)
    for library in _VERBOSE_LIBRARIES:
        logging.getLogger(library).setLevel(logging.ERROR)
    from vipllava_cli.engine.local.generate import LocalEngine
    from vipllava_cli.engine.local.loading import load

    chosen = load_options or LoadOptions(device, dtype)
    return LocalEngine(checkpoint, load(checkpoint, chosen, on_plan))


def ignored_settings(model: str = DEFAULT_MODEL, revision: str | None = None) -> list[str]:
    """Return the fields of generation_config.json that the program does not use. Raises ModelError."""
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


def read_view_size(model: str = DEFAULT_MODEL, revision: str | None = None) -> ViewSize:
    """Return what a model sees, from its config and without torch. Raises ModelError."""
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, read_config
    from vipllava_cli.engine.hub.config_defaults import VISION_DEFAULTS

    checkpoint = find_checkpoint(model, revision)
    config = read_config(checkpoint.folder, checkpoint.name)
    vision = {**VISION_DEFAULTS, **config["vision_config"]}
    return ViewSize(int(vision["image_size"]), int(vision["patch_size"]))


def identify(model: str = DEFAULT_MODEL, revision: str | None = None) -> tuple[str, str]:
    """Return the name and revision that records will contain, without torch. Raises ModelError."""
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(model, revision)
    return checkpoint.name, checkpoint.revision
