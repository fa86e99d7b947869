"""Devices that tests aim at: of the tests' own, so that a program that replaces one harms no machine."""

import os
import stat
from functools import cache
from pathlib import Path

from tests.support.session_folders import make_session_folder

_NUMBERS = {"null": (1, 3), "zero": (1, 5), "full": (1, 7)}  # of Linux
OF_THE_MACHINE = ("null", "zero", "full", "random", "urandom", "tty")


def link_to_device(path: Path, name: str = "zero") -> None:
    """Make a link to a device."""
    path.symlink_to(device(name))


@cache
def device(name: str) -> str:
    """Return the path of a device like `/dev/zero` that only these tests use.

    Only root may make one, and only in some containers. Others cannot replace a device of the machine,
    so they get that; root elsewhere gets a pipe, which the program refuses as well.
    """
    if os.geteuid() != 0:
        return f"/dev/{name}"
    folder = make_session_folder("devices-")
    os.chmod(folder, 0o755)  # noqa: S103 - some tests run as another user
    path = os.path.join(folder, name)
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(*_NUMBERS[name]))
    except OSError:
        os.mkfifo(path)
    os.chmod(path, 0o666)  # noqa: S103
    return path


def kinds_of_devices() -> dict[str, tuple[int, int]]:
    """Return what kind of files the devices of the machine are, and their numbers."""
    found = {}
    for name in OF_THE_MACHINE:
        path = f"/dev/{name}"
        if os.path.lexists(path):
            status = os.lstat(path)
            found[path] = (stat.S_IFMT(status.st_mode), status.st_rdev)
    return found
