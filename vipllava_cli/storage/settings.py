"""The user's saved settings: `settings.json` in the config folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vipllava_cli.errors import UsageError
from vipllava_cli.storage.files import atomic_file, make_folder
from vipllava_cli.storage.folders import config_folder


@dataclass(frozen=True)
class UserSettings:
    """The default model and revision, for runs without a flag or an environment variable."""

    model: str | None = None
    revision: str | None = None


def settings_file() -> Path:
    """Return the path of the settings, which may not exist yet."""
    return config_folder() / "settings.json"


def read_settings() -> UserSettings:
    """Read the settings. Without a file, return the defaults. Raises UsageError for a damaged file."""
    path = settings_file()
    try:
        settings = UserSettings(**json.loads(path.read_text(encoding="utf-8")))
        if not all(value is None or isinstance(value, str) for value in asdict(settings).values()):
            raise ValueError("its values must be text")
    except (FileNotFoundError, NotADirectoryError):
        return UserSettings()
    except (OSError, ValueError, TypeError) as error:
        why = " ".join(str(error).split())
        raise UsageError(
            f"the settings in {path} cannot be read ({why}): expected"
            ' {"model": "7b"}; correct the file or delete it'
        ) from None
    return settings


def write_settings(settings: UserSettings) -> None:
    """Write the settings, without unset fields. Raises InputError if the file cannot be written."""
    path = settings_file()
    make_folder(path.parent)
    values = {name: value for name, value in asdict(settings).items() if value is not None}
    with atomic_file(str(path)) as file:
        file.write((json.dumps(values) + "\n").encode())
