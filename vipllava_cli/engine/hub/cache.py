"""The local Hugging Face cache, in the layout of huggingface_hub."""

import shutil
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants, scan_cache_dir, try_to_load_from_cache
from huggingface_hub.errors import CacheNotFound
from huggingface_hub.file_download import repo_folder_name


def cache_folder() -> Path:
    """Return the root of the cache. It may not exist."""
    return Path(constants.HF_HUB_CACHE)


def repository_folder(repository: str) -> Path:
    """Return the folder of a repository in the cache. It may not exist."""
    return cache_folder() / repo_folder_name(repo_id=repository, repo_type="model")


def snapshot_folder(repository: str, revision: str) -> Path | None:
    """Find the folder of a cached revision, which may lack files. None if it is not cached."""
    try:
        config = try_to_load_from_cache(repository, "config.json", revision=revision)
    except (OSError, ValueError):  # huggingface_hub 2.4.0 reads a damaged reference unguarded
        return None
    return Path(config).parent if isinstance(config, str) else None


def has_cached_files(repository: str) -> bool:
    """Return whether the cache contains any file of a repository, complete or partial."""
    return any(repository_folder(repository).glob("blobs/*"))


def cached_size(repository: str) -> int:
    """Sum the bytes of a repository's files in the cache, partial downloads included."""
    blobs = repository_folder(repository).glob("blobs/*")
    return sum(path.stat().st_size for path in blobs if path.is_file())


def cached_repositories() -> Iterator[str]:
    """Yield the names of the cached model repositories, of any architecture, sorted."""
    try:
        repositories = scan_cache_dir(cache_folder()).repos
    except CacheNotFound:
        return
    yield from sorted(repo.repo_id for repo in repositories if repo.repo_type == "model")


def remove_repository(repository: str) -> None:
    """Delete every revision of a repository, and its partial downloads."""
    try:
        cache = scan_cache_dir(cache_folder())
    except CacheNotFound:
        return
    revisions = [
        revision.commit_hash
        for repo in cache.repos
        if (repo.repo_id, repo.repo_type) == (repository, "model")
        for revision in repo.revisions
    ]
    if revisions:  # the library knows which files several revisions share
        cache.delete_revisions(*revisions).execute()
    folder = repository_folder(repository)
    shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(cache_folder() / ".locks" / folder.name, ignore_errors=True)
