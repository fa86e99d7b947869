"""Complete paths in folders of any size: a listing has a time limit."""

import os
import time
from collections.abc import Callable, Iterator

from prompt_toolkit.completion import Completion

MAX_SECONDS = 0.5  # of listing a folder; a larger one completes nothing
MAX_COMPLETIONS = 2000  # listed; of more, only the letters that all share are completed


def complete_path(typed: str, accept: Callable[[str], bool] | None = None) -> Iterator[Completion]:
    """Yield the names in a folder that continue a path. `accept` takes the names of files."""
    folder, prefix = os.path.split(os.path.expanduser(typed))
    names = _list(folder or ".", prefix, accept)
    if len(names) > MAX_COMPLETIONS:
        shared = os.path.commonprefix(names)  # noqa: RUF071 - letters, not folders
        if shared != prefix:
            yield Completion(shared[len(prefix) :], 0, f"{shared}…")
        return
    for name in names:
        yield Completion(name[len(prefix) :], 0, name)


def _list(folder: str, prefix: str, accept: Callable[[str], bool] | None) -> list[str]:
    """Return the sorted names in a folder; those of folders end in a slash. None if that takes long."""
    names = []
    deadline = time.monotonic() + MAX_SECONDS
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if time.monotonic() > deadline:
                    return []
                if not entry.name.startswith(prefix):
                    continue
                if entry.is_dir():
                    names.append(entry.name + "/")
                elif accept is None or accept(entry.name):
                    names.append(entry.name)
    except (OSError, ValueError):  # no such folder, or a NUL in its name
        return []
    return sorted(names)
