"""What of the hub is on this machine: the cache that huggingface_hub keeps."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants, scan_cache_dir, try_to_load_from_cache
from huggingface_hub.errors import CacheNotFound
from huggingface_hub.file_download import repo_folder_name


def cache_folder() -> Path:
    """Where the hub's models are kept; it need not exist."""
    return Path(constants.HF_HUB_CACHE)


def repository_folder(repository: str) -> Path:
    """Where everything of a repository is kept; it need not exist."""
    return cache_folder() / repo_folder_name(repo_id=repository, repo_type="model")


def snapshot(repository: str, revision: str) -> Path | None:
    """The folder of a revision, whole or not. Raises HFValidationError for what is no hub name."""
    config = try_to_load_from_cache(repository, "config.json", revision=revision)
    return Path(config).parent if isinstance(config, str) else None


def begun(repository: str) -> bool:
    """Whether anything of it was ever fetched."""
    return any(repository_folder(repository).glob("blobs/*"))


def local_size(repository: str) -> int:
    """The bytes that it takes, what is half fetched included."""
    return sum(path.stat().st_size for path in repository_folder(repository).glob("blobs/*"))


def cached_repositories() -> Iterator[str]:
    """The names of the hub's models that are here, of any architecture."""
    try:
        repositories = scan_cache_dir(cache_folder()).repos
    except CacheNotFound:
        return
    yield from sorted(found.repo_id for found in repositories if found.repo_type == "model")


def remove_repository(repository: str) -> None:
    """Delete every revision, and what was half fetched."""
    try:
        cache = scan_cache_dir(cache_folder())
    except CacheNotFound:
        return
    revisions = [
        revision.commit_hash
        for found in cache.repos
        if (found.repo_id, found.repo_type) == (repository, "model")
        for revision in found.revisions
    ]
    if revisions:  # the library knows which files are shared with others
        cache.delete_revisions(*revisions).execute()
    shutil.rmtree(repository_folder(repository), ignore_errors=True)
    shutil.rmtree(
        cache_folder() / ".locks" / repository_folder(repository).name, ignore_errors=True
    )
