"""Set the default model: `vipllava models use` and `vipllava config set model`."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from vipllava_cli.cli.options import MODEL_VARIABLE
from vipllava_cli.errors import ModelError

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages


def set_default_model(name: str, revision: str | None, messages: "Messages") -> None:
    """Write the default model and its revision to the settings, and print what that means.

    Raises ModelError for an unknown name, and UsageError for a revision of a model without any.
    """
    from vipllava_cli.engine.hub.cache import has_cached_files
    from vipllava_cli.engine.hub.checkpoints import find_checkpoint, hub_name
    from vipllava_cli.engine.hub.names import canonical_name, explain_absent
    from vipllava_cli.engine.open import find_server, refuse_revision
    from vipllava_cli.storage.settings import read_settings, settings_file, write_settings

    if find_server(name) is not None:
        refuse_revision(name, revision)
        write_settings(replace(read_settings(), model=name, revision=None))
        messages.say(f"default model is now {name}, on a server ({settings_file()})")
        _warn_of_variable(messages)
        return
    name = canonical_name(name)
    hub = hub_name(name, revision)
    if hub and not has_cached_files(hub.repository) and (advice := explain_absent(hub.repository)):
        raise ModelError(f"{hub.repository} {advice}")
    is_folder = hub is None and os.path.isdir(name)
    model = os.path.abspath(name) if is_folder else name
    write_settings(replace(read_settings(), model=model, revision=revision))
    version = f" at revision {revision}" if revision else ""
    messages.say(f"default model is now {name}{version} ({settings_file()})")
    _warn_of_variable(messages)
    try:
        find_checkpoint(name, revision)
    except ModelError as error:
        messages.note(str(error))


def _warn_of_variable(messages: "Messages") -> None:
    variable = os.environ.get(MODEL_VARIABLE)
    if variable:
        messages.warning(f"{MODEL_VARIABLE} is set and overrides this choice: {variable}")
