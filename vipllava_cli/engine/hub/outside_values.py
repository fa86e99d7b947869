"""The one place that checks what comes from outside before it names a path or an address.

A hub is not trusted: its commits, checksums, file names and sizes have the format of git and of the
hub, or the reply is refused. Names and revisions that a user types are checked here too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils._validators import validate_repo_id

from vipllava_cli.errors import ModelError, short_repr

MAX_SMALL_FILE = 256 << 20  # bytes of a file without a sha256
_MAX_SIZE = 1 << 60  # bytes of a file

_GIT_ID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,127}", re.ASCII)
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.I)
# git's rules for the name of a reference, without those characters that a shell or a path changes.
_REVISION = re.compile(
    r"(?!.*(\.\.|//|/\.|\.lock(/|$)))[A-Za-z0-9_][\w.+/@-]{0,199}(?<![/.])", re.A
)


class OutsideValueError(ValueError):
    """A value in the reply of a hub that does not have its format. The text says which."""


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub, without folders in its name.

    `size` is in bytes. `sha256` is None for small files. `git_id` is the id of git's object: of the
    content of a small file, and of the pointer to a large file.
    """

    name: str
    size: int
    git_id: str
    sha256: str | None

    @property
    def blob_name(self) -> str:
        """The name of the content in the cache, the same as that of huggingface_hub."""
        return self.sha256 or self.git_id


def check_commit(reply: object) -> str:
    """Return the commit of a reply to a look-up. Raises OutsideValueError."""
    if not isinstance(reply, dict):
        raise OutsideValueError(f"expected a JSON object, found {short_repr(reply)}")
    return _hexadecimal(_GIT_ID, reply, "sha")


def is_plain_name(name: object) -> TypeGuard[str]:
    """Return whether a text can name a file in one folder, on every system."""
    return (
        isinstance(name, str)
        and _FILE_NAME.fullmatch(name) is not None
        and not name.endswith(".")
        and not _WINDOWS_DEVICE.fullmatch(name)
    )


def check_file(entry: Mapping[str, Any]) -> RemoteFile:
    """Make a file of an entry whose path is a plain name. Raises OutsideValueError."""
    large = entry.get("lfs")
    if large is not None and not isinstance(large, dict):
        raise OutsideValueError(f"lfs is {short_repr(large)}")
    size = _size(entry)
    sha256 = _hexadecimal(_SHA256, large, "oid") if large else None
    if large and "size" in large and _size(large) != size:
        raise OutsideValueError(f"{entry['path']} has two sizes")
    if sha256 is None and size > MAX_SMALL_FILE:
        raise OutsideValueError(f"{entry['path']} has no checksum for its {size} bytes")
    return RemoteFile(entry["path"], size, _hexadecimal(_GIT_ID, entry, "oid"), sha256)


def check_repository(name: str) -> None:
    """Check a hub name that a user typed. Raises ModelError."""
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"{name!r} is not a hub name: {reason}") from None


def check_revision(revision: str) -> None:
    """Check a branch, tag or commit that a user typed. Raises ModelError."""
    if not _REVISION.fullmatch(revision):
        raise ModelError(
            f"--revision {short_repr(revision)} is no branch, tag or commit: expected one like main,"
            " v1.0 or a commit of 40 digits"
        )


def _hexadecimal(pattern: re.Pattern[str], values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise OutsideValueError(f"{name} is {short_repr(value)}")
    return value


def _size(values: Mapping[str, Any]) -> int:
    value = values.get("size")
    if type(value) is not int or not 0 <= value <= _MAX_SIZE:
        raise OutsideValueError(f"size is {short_repr(value)}")
    return value
