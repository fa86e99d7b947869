"""Stamps in the state folder: what happens at most once a day."""

import os
import time
from contextlib import suppress

from vipllava_cli.storage.folders import state_folder

_DAY = 24 * 60 * 60  # seconds


def take_daily_turn(name: str) -> bool:
    """Return True at most once a day for each name, and remember that.

    The stamp is an empty file whose time says when. Returns True each time if the state folder
    cannot be written; raises nothing.
    """
    if is_stamped(name):
        return False
    stamp(name)
    return True


def is_stamped(name: str) -> bool:
    """Return whether the stamp of a name is younger than a day. Raises nothing."""
    with suppress(OSError):
        age = time.time() - (state_folder() / name).stat().st_mtime
        return 0 <= age < _DAY  # a time in the future is that of a clock that was wrong
    return False


def stamp(name: str) -> None:
    """Write a stamp with the time of now. Raises nothing."""
    path = state_folder() / name
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
        os.utime(path)
