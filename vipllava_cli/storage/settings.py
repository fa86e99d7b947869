"""What the user has chosen for good: `settings.json` in the config folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.folders import config_folder


@dataclass(frozen=True)
class UserSettings:
    """`model` answers when no flag and no variable names one, at `revision` if that is set."""

    model: str | None = None
    revision: str | None = None


def settings_file() -> Path:
    """Where the settings are; the file need not exist."""
    return config_folder() / "settings.json"


def read_settings() -> UserSettings:
    """The settings, or those that nobody chose. Raises UsageError for a file that holds others."""
    path = settings_file()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        settings = UserSettings(**found)
        if not all(value is None or isinstance(value, str) for value in asdict(settings).values()):
            raise ValueError("its values are text")
    except (FileNotFoundError, NotADirectoryError):
        return UserSettings()
    except (OSError, ValueError, TypeError) as error:
        why = " ".join(str(error).split())
        raise UsageError(
            f"the settings in {path} cannot be read ({why}): expected"
            ' {"model": "7b"}; mend the file or delete it'
        ) from None
    return settings


def write_settings(settings: UserSettings) -> None:
    """Raises InputError for a place that cannot be written."""
    path = settings_file()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {path.parent} cannot be made: {error.strerror}") from None
    chosen = {name: value for name, value in asdict(settings).items() if value is not None}
    with atomic_file(str(path)) as file:
        file.write((json.dumps(chosen) + "\n").encode())
