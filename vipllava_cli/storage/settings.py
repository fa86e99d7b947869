"""The user's saved settings: `settings.json` in the config folder."""

import errno
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.files import atomic_file, make_folder
from vipllava_cli.storage.folders import config_folder
from vipllava_cli.storage.json_files import read_json

_MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class UserSettings:
    """The user's defaults, for runs without a flag or an environment variable.

    `servers` holds the models that run on servers, by the names that the user gave them. `options` holds
    all other entries of the file: defaults of options by name, and entries of other versions, which are
    kept.
    """

    model: str | None = None
    revision: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    servers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def settings_file() -> Path:
    """Return the path of the settings, which may not exist yet."""
    return config_folder() / "settings.json"


def read_settings() -> UserSettings:
    """Read the settings. Without a file, return the defaults. Raises UsageError for a damaged file."""
    try:
        path = settings_file()
    except InputError:  # no home folder: there are no settings
        return UserSettings()
    try:
        return _from_json(read_json(path, _MAX_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        return UserSettings()
    except PermissionError as error:
        raise UsageError(
            f"the settings in {path} cannot be read: {error.strerror}; check the permissions of the"
            " file and its folder"
        ) from None
    except (OSError, ValueError, InputError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
            raise  # the file is not to blame
        why = " ".join(str(error).split())
        raise UsageError(
            f"the settings in {path} cannot be read ({why}): expected"
            ' {"model": "7b"}; correct the file or delete it'
        ) from None


def write_settings(settings: UserSettings) -> None:
    """Write the settings, without unset fields. Raises InputError if the file cannot be written."""
    path = settings_file()
    make_folder(path.parent)
    values = {"model": settings.model, "revision": settings.revision, **settings.options}
    values["servers"] = dict(settings.servers) or None
    values = {name: value for name, value in values.items() if value is not None}
    with atomic_file(str(path)) as file:
        file.write((json.dumps(values) + "\n").encode())


def _from_json(values: Any) -> UserSettings:
    """Raises ValueError."""
    if not isinstance(values, dict):
        raise ValueError("it is not a JSON object")
    options = dict(values)
    model, revision = options.pop("model", None), options.pop("revision", None)
    if not all(value is None or isinstance(value, str) for value in (model, revision)):
        raise ValueError("model and revision must be text")
    servers = options.pop("servers", None) or {}
    if not (isinstance(servers, dict) and all(isinstance(each, dict) for each in servers.values())):
        raise ValueError("servers must be an object of objects")
    return UserSettings(model, revision, options, servers)
