"""Temporary folders that all tests of a process share."""

import shutil
from pathlib import Path
from tempfile import mkdtemp

_made: list[Path] = []


def make_session_folder(prefix: str) -> Path:
    """Make a folder that stays until the session of this process ends."""
    _made.append(Path(mkdtemp(prefix=prefix)))
    return _made[-1]


def remove_session_folders() -> None:
    """Remove them. A forked worker ends without the clean-up of the interpreter."""
    while _made:
        shutil.rmtree(_made.pop(), ignore_errors=True)
