"""Where this program keeps what it remembers of its user: the XDG state folder."""

import os
from pathlib import Path

from vipllava_cli.errors import InputError


def state_folder() -> Path:
    """`VIPLLAVA_HOME/state`, or `vipllava` in the XDG state folder; it need not exist."""
    home = os.environ.get("VIPLLAVA_HOME")
    if home:
        return Path(home) / "state"
    state = os.environ.get("XDG_STATE_HOME", "")
    base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    return base / "vipllava"


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
