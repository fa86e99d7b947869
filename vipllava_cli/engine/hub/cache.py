"""The local Hugging Face cache, in the layout of huggingface_hub.

The files in it are not trusted: huggingface_hub 2.4.0 reads a reference of any size, waits for ever on
a named pipe in its place, and reads every reference of the cache to list its models.
"""

import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from huggingface_hub import constants
from huggingface_hub.file_download import repo_folder_name

from vipllava_cli.engine.hub.cached_names import cached_folders
from vipllava_cli.engine.hub.outside_values import is_plain_name

_COMMIT = re.compile(r"[0-9A-Za-z]{1,64}", re.ASCII)
_MAX_REFERENCE = 100  # bytes


def cache_folder() -> Path:
    """Return the root of the cache. It may not exist."""
    return Path(constants.HF_HUB_CACHE)


def repository_folder(repository: str) -> Path:
    """Return the folder of a repository in the cache. It may not exist."""
    return cache_folder() / repo_folder_name(repo_id=repository, repo_type="model")


def snapshot_folder(repository: str, revision: str) -> Path | None:
    """Find the folder of a cached revision, which may lack files. None if it is not cached."""
    folder = repository_folder(repository)
    commit = _read_reference(folder / "refs" / revision) or revision
    if not _COMMIT.fullmatch(commit):
        return None
    snapshot = folder / "snapshots" / commit
    with suppress(OSError):  # a folder that the user may not read
        if (snapshot / "config.json").is_file():
            return snapshot
    return None


def cached_revisions(repository: str) -> Iterator[str]:
    """Yield the revisions in the cache, which may lack files: branches and tags, then other commits."""
    folder = repository_folder(repository)
    named = set()
    for path in sorted(folder.glob("refs/*")):
        snapshot = is_plain_name(path.name) and snapshot_folder(repository, path.name)
        if snapshot:
            named.add(snapshot)
            yield path.name
    for snapshot in sorted(folder.glob("snapshots/*")):
        if snapshot not in named and snapshot_folder(repository, snapshot.name):
            yield snapshot.name


def _read_reference(path: Path) -> str:
    """Return the commit in a file of `refs/`, empty if there is none. Opens only a small file."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > _MAX_REFERENCE:
            return ""
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def has_cached_files(repository: str) -> bool:
    """Return whether the cache contains any file of a repository, complete or partial."""
    return any(repository_folder(repository).glob("blobs/*"))


def cached_size(repository: str) -> int:
    """Sum the bytes of a repository's files in the cache, partial downloads included."""
    blobs = repository_folder(repository).glob("blobs/*")
    return sum(path.stat().st_size for path in blobs if path.is_file())


def cached_repositories() -> Iterator[str]:
    """Yield the names of the cached model repositories, of any architecture, sorted."""
    return (name for name, _ in cached_folders())


def remove_repository(repository: str) -> None:
    """Delete every revision of a repository, and its partial downloads."""
    folder = repository_folder(repository)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(cache_folder() / ".locks" / folder.name, ignore_errors=True)
