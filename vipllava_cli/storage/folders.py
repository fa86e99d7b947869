"""Where this program keeps its settings and what it remembers of its user: the XDG folders."""

import os
from pathlib import Path

from vipllava_cli.errors import InputError


def config_folder() -> Path:
    """`VIPLLAVA_HOME/config`, or `vipllava` in the XDG config folder; it need not exist."""
    return _folder("config", "XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """`VIPLLAVA_HOME/state`, or `vipllava` in the XDG state folder; it need not exist."""
    return _folder("state", "XDG_STATE_HOME", ".local/state")


def private_file(name: str) -> Path:
    """A file in the state folder that only its owner can read; made if it is not there. Raises
    InputError.
    """
    path = state_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600))
        path.chmod(0o600)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _folder(kind: str, variable: str, usual: str) -> Path:
    home = os.environ.get("VIPLLAVA_HOME")
    if home:
        return Path(home) / kind
    chosen = os.environ.get(variable, "")
    return (Path(chosen) if os.path.isabs(chosen) else Path.home() / usual) / "vipllava"
