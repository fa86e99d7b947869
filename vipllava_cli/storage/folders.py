"""XDG folders: the user's settings and the program's state."""

import os
import stat
from pathlib import Path

from vipllava_cli.errors import InputError


def config_folder() -> Path:
    """Return the settings folder, which may not exist yet. Raises InputError without a home.

    It is `VIPLLAVA_HOME/config`, or `vipllava` in the XDG config folder.
    """
    return _folder("config", "XDG_CONFIG_HOME", ".config")


def state_folder() -> Path:
    """Return the state folder, which may not exist yet. Raises InputError without a home.

    It is `VIPLLAVA_HOME/state`, or `vipllava` in the XDG state folder.
    """
    return _folder("state", "XDG_STATE_HOME", ".local/state")


def private_file(name: str) -> Path:
    """Return a file of the state folder that only its owner can read. Create it if it is missing.

    Raises InputError.
    """
    path = state_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | _NO_WAIT, 0o600)
        is_regular = stat.S_ISREG(os.fstat(file).st_mode)
        os.close(file)
        if is_regular:
            path.chmod(0o600)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from None
    if not is_regular:
        raise InputError(f"{path} cannot be written: it is no regular file; remove it")
    return path


_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # for a reader of a pipe


def check_working_folder() -> None:
    """Check that the working folder exists. Raises InputError.

    Without it, the MKL of torch 2.13 ends the process when it loads its libraries.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError(
            "the working folder no longer exists: change to another with `cd`"
        ) from None


def _folder(kind: str, variable: str, default: str) -> Path:
    home = os.environ.get("VIPLLAVA_HOME")
    if home:
        return Path(home) / kind
    base = os.environ.get(variable, "")
    # The XDG specification says to ignore relative paths.
    if os.path.isabs(base):
        return Path(base) / "vipllava"
    try:
        return Path.home() / default / "vipllava"
    except RuntimeError:  # a user that the system does not know, as in a container
        raise InputError(
            "this user has no home folder: set VIPLLAVA_HOME to a folder for settings and history"
        ) from None
