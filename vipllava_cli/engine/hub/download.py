"""Download a model into the local cache: only the files it needs, resumed after a stop, and checked.

The hub's client restarts a large file at its first byte. So this module downloads large files itself,
into a partial file that a later process continues. The client downloads the other files and links the
snapshot.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from filelock import FileLock
from huggingface_hub import (
    HfApi,
    hf_hub_download,
    hf_hub_url,
    set_client_factory,
    snapshot_download,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils._http import hf_request_event_hook
from huggingface_hub.utils.tqdm import disable_progress_bars

from vipllava_cli.engine.hub.cache import cache_folder, repository_folder
from vipllava_cli.engine.hub.checkpoints import INDEX_FILE, WEIGHTS_FILE, HubName, read_config
from vipllava_cli.engine.hub.download_errors import translate_errors, translate_foreign_answers
from vipllava_cli.engine.hub.endpoint import check_endpoint
from vipllava_cli.engine.hub.names import explain_no_config_on_hub
from vipllava_cli.errors import InputError, ModelError
from vipllava_cli.storage.sizes import decimal_size
from vipllava_cli.storage.web import VERSION, make_client, user_agent

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_SMALL_FILE = re.compile(r"(?!.*\.bin\.index\.json)[^/]+\.(json|jinja|txt)|tokenizer\.model")
_HASH_CHUNK = 8 << 20  # bytes
_LIBRARY: dict[str, Any] = {"library_name": "vipllava", "library_version": VERSION}


@dataclass(frozen=True)
class RemoteFile:
    """A file on the hub. `size` is in bytes; `sha256` is None for small files."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True)
class RemoteModel:
    """The files that a model needs from its repository, at one commit."""

    hub: HubName
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def missing_size(self) -> int:
        """The bytes that are still to download."""
        return sum(file.size - _downloaded_size(self, file) for file in self.files)


def look_up(name: str, hub: HubName) -> RemoteModel:
    """Ask the hub which files model `name` needs. Downloads its small config.json.

    Raises ModelError.
    """
    hub_logging.set_verbosity_error()  # `translate_errors` reports errors in one line
    disable_progress_bars()
    check_endpoint()
    set_client_factory(_make_client)
    with translate_errors(name, hub):
        api = HfApi(**_LIBRARY)
        with translate_foreign_answers(name):
            commit = api.model_info(hub.repository, revision=hub.revision).sha or hub.revision
            listed = [
                RemoteFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None)
                for entry in api.list_repo_tree(hub.repository, revision=commit)
                if isinstance(entry, RepoFile)
            ]
        names = [file.name for file in listed]
        if "config.json" in names:  # first: another architecture explains missing weights
            config = hf_hub_download(hub.repository, "config.json", revision=commit, **_LIBRARY)
            read_config(Path(config).parent, name)
    needed = _needed_files(names, name)
    return RemoteModel(hub, commit, tuple(file for file in listed if file.name in needed))


def _make_client() -> httpx2.Client:
    """Make the hub's client, with the proxies of all requests of the program."""
    return make_client(
        event_hooks={"request": [hf_request_event_hook]},
        headers={"User-Agent": user_agent()},  # of the few requests that the client does not name
        timeout=None,
    )


def check_disk_space(remote: RemoteModel) -> None:
    """Raise InputError if the disk has no space for the rest of the download."""
    folder = cache_folder()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if remote.missing_size > free:
        raise InputError(
            f"{cache_folder()} has too little space: {decimal_size(remote.missing_size)} are still"
            f" to download and {decimal_size(free)} are free; free some space, or set HF_HOME to a"
            " folder on another disk"
        )


def fetch(name: str, remote: RemoteModel, advance: Callable[[int], None]) -> Path:
    """Download what is missing, check it, and return the folder of the complete model.

    `advance` receives the number of new bytes as they arrive, those of earlier runs included.

    Raises ModelError, and InputError for a full disk.
    """
    folder = repository_folder(remote.hub.repository)
    locks = cache_folder() / ".locks" / folder.name
    with translate_errors(name, remote.hub):
        locks.mkdir(parents=True, exist_ok=True)
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        with FileLock(locks / "pull.lock", timeout=0):
            for file in remote.files:
                advance(_downloaded_size(remote, file))
                if file.sha256:
                    _fetch_large(name, remote, file, file.sha256, advance)
            snapshot = snapshot_download(
                remote.hub.repository,
                revision=remote.hub.revision,
                allow_patterns=[file.name for file in remote.files],
                **_LIBRARY,
            )
            advance(sum(file.size for file in remote.files if not file.sha256))
    return Path(snapshot)


def delete_damaged_files(remote: RemoteModel) -> list[str]:
    """Delete the large files in the cache whose checksum is wrong. Returns their names."""
    damaged = []
    for file in remote.files:
        blob = _blob_path(remote, file.sha256) if file.sha256 else None
        if blob and blob.is_file() and _sha256(blob) != file.sha256:
            blob.unlink()
            damaged.append(file.name)
    return damaged


def _needed_files(names: Sequence[str], model: str) -> set[str]:
    """Select configuration, tokenizer, and weights: one file, or the shards beside an index."""
    if "config.json" not in names:
        raise ModelError(explain_no_config_on_hub(names, model))
    has_index = INDEX_FILE in names
    weights = {name for name in names if _SHARD.fullmatch(name)} if has_index else {WEIGHTS_FILE}
    if not weights or not weights.issubset(names):
        raise ModelError(
            f"{model} has no safetensors on the hub, and other weights are not loaded because they"
            " can run code: get another model or revision"
        )
    return weights | {name for name in names if _SMALL_FILE.fullmatch(name)}


# --- large files -----------------------------------------------------------------------------


def _fetch_large(
    name: str, remote: RemoteModel, file: RemoteFile, sha256: str, advance: Callable[[int], None]
) -> None:
    """Start or resume a large file. Rename it to its final name after its checksum is verified."""
    blob = _blob_path(remote, sha256)
    if blob.is_file():
        return
    partial = _partial_path(remote, sha256)
    with partial.open("ab", buffering=0) as out:
        http_get(
            hf_hub_url(remote.hub.repository, file.name, revision=remote.commit),
            out,
            resume_size=out.tell(),
            headers=build_hf_headers(**_LIBRARY) | {"Accept-Encoding": "identity"},
            expected_size=file.size,
            tqdm_class=lambda **_: _ProgressCounter(advance),  # type: ignore[arg-type]
        )
    if _sha256(partial) != sha256:
        partial.unlink()
        raise ModelError(
            f"{file.name} of {name} has a wrong checksum and was deleted: run the same command to"
            " download it again"
        )
    partial.replace(blob)


class _ProgressCounter:
    """The part of tqdm's interface that the hub's client uses."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.update = advance

    def __enter__(self) -> "_ProgressCounter":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _blob_path(remote: RemoteModel, sha256: str) -> Path:
    return repository_folder(remote.hub.repository) / "blobs" / sha256


def _partial_path(remote: RemoteModel, sha256: str) -> Path:
    """Return the path of a partial download. The hub's own tools count `*.incomplete` as such."""
    return _blob_path(remote, f"{sha256}.vipllava.incomplete")


def _downloaded_size(remote: RemoteModel, file: RemoteFile) -> int:
    if file.sha256 is None:
        return 0
    for path in (_blob_path(remote, file.sha256), _partial_path(remote, file.sha256)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_HASH_CHUNK):
            digest.update(data)
    return digest.hexdigest()
