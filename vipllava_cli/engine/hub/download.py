"""A model from the hub into the hub's cache: only what is needed, gone on with after any stop, checked.

Large files are fetched here, into a file that stays when the download is cut off: the hub's client
begins them again from their first byte. It does the rest, and puts all in its place.
"""

import errno
import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from filelock import FileLock, Timeout
from huggingface_hub import HfApi, constants, hf_hub_download, hf_hub_url, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import http_get
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils import logging as hub_logging
from huggingface_hub.utils._headers import build_hf_headers
from huggingface_hub.utils.tqdm import disable_progress_bars

from vipllava_cli.engine.hub.cache import cache_folder, repository_folder
from vipllava_cli.engine.hub.checkpoints import HubName, read_config
from vipllava_cli.errors import InputError, ModelError
from vipllava_cli.storage.sizes import decimal_size

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")
_INDEX, _WHOLE = "model.safetensors.index.json", "model.safetensors"
_SMALL = re.compile(r"(?!.*\.bin\.index\.json)[^/]+\.(json|jinja|txt)|tokenizer\.model")
_HASHED_AT_ONCE = 8 << 20


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub lists it; `sha256` is known of large ones."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True)
class Remote:
    """What a model needs of its repository at one commit."""

    hub: HubName
    commit: str
    files: tuple[RemoteFile, ...]

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def left(self) -> int:
        """The bytes that are not on this machine yet."""
        return sum(file.size - _bytes_here(self, file) for file in self.files)


def look_up(name: str, hub: HubName) -> Remote:
    """Ask the hub what there is; its small config.json is fetched. Raises ModelError."""
    hub_logging.set_verbosity_error()  # what goes wrong is said in our own line
    disable_progress_bars()
    with _translate_errors(name, hub):
        api = HfApi()
        commit = api.model_info(hub.repository, revision=hub.revision).sha or hub.revision
        listed = [
            RemoteFile(entry.path, entry.size, entry.lfs.sha256 if entry.lfs else None)
            for entry in api.list_repo_tree(hub.repository, revision=commit)
            if isinstance(entry, RepoFile)
        ]
        names = _needed([file.name for file in listed], name)
        config = hf_hub_download(hub.repository, "config.json", revision=commit)
    read_config(Path(config).parent, name)
    return Remote(hub, commit, tuple(file for file in listed if file.name in names))


def check_disk_space(remote: Remote) -> None:
    """Raises InputError when the disk has no room for what is left."""
    place = cache_folder()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if remote.left > free:
        raise InputError(
            f"{cache_folder()} has no room: {decimal_size(remote.left)} are left to fetch and"
            f" {decimal_size(free)} are free; make room, or set HF_HOME to a folder on another disk"
        )


def fetch(name: str, remote: Remote, advance: Callable[[int], None]) -> Path:
    """The folder of the model, whole and checked; `advance` hears of bytes as they are there.

    Raises ModelError, and InputError for a disk that is full.
    """
    folder = repository_folder(remote.hub.repository)
    locks = cache_folder() / ".locks" / folder.name
    with _translate_errors(name, remote.hub):
        locks.mkdir(parents=True, exist_ok=True)
        (folder / "blobs").mkdir(parents=True, exist_ok=True)
        with FileLock(locks / "pull.lock", timeout=0):
            for file in remote.files:
                advance(_bytes_here(remote, file))
                if file.sha256:
                    _fetch_large(name, remote, file, file.sha256, advance)
            place = snapshot_download(
                remote.hub.repository,
                revision=remote.hub.revision,
                allow_patterns=[file.name for file in remote.files],
            )
            advance(sum(file.size for file in remote.files if not file.sha256))
    return Path(place)


def drop_damaged(remote: Remote) -> list[str]:
    """The names of files here that are not as published; they are deleted."""
    damaged = []
    for file in remote.files:
        blob = _blob(remote, file.sha256) if file.sha256 else None
        if blob and blob.is_file() and _sha256(blob) != file.sha256:
            blob.unlink()
            damaged.append(file.name)
    return damaged


def _needed(names: Sequence[str], model: str) -> set[str]:
    """Configuration, tokenizer and weights: one file, or the shards that an index lists."""
    weights = {name for name in names if _SHARD.fullmatch(name)} if _INDEX in names else {_WHOLE}
    if not weights or not weights.issubset(names):
        raise ModelError(
            f"{model} has no safetensors on the hub, and no other weights are loaded because they"
            " can run code: get another model or revision"
        )
    return weights | {name for name in names if _SMALL.fullmatch(name)}


# --- large files -----------------------------------------------------------------------------


def _fetch_large(
    name: str, remote: Remote, file: RemoteFile, sha256: str, advance: Callable[[int], None]
) -> None:
    """Go on with a file where it was cut off; it takes its place when its checksum is right."""
    blob = _blob(remote, sha256)
    if blob.is_file():
        return
    part = _part(remote, sha256)
    with part.open("ab", buffering=0) as out:
        http_get(
            hf_hub_url(remote.hub.repository, file.name, revision=remote.commit),
            out,
            resume_size=out.tell(),
            headers=build_hf_headers() | {"Accept-Encoding": "identity"},
            expected_size=file.size,
            tqdm_class=lambda **_: _Counter(advance),  # type: ignore[arg-type]
        )
    if _sha256(part) != sha256:
        part.unlink()
        raise ModelError(
            f"{file.name} of {name} did not arrive as published (its checksum differs) and was"
            " deleted: the same command fetches it again"
        )
    part.replace(blob)


class _Counter:
    """What the hub's client takes for a progress bar."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self.update = advance

    def __enter__(self) -> "_Counter":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _blob(remote: Remote, sha256: str) -> Path:
    return repository_folder(remote.hub.repository) / "blobs" / sha256


def _part(remote: Remote, sha256: str) -> Path:
    """Named so that the hub's own tools count it among what is half fetched."""
    return _blob(remote, f"{sha256}.vipllava.incomplete")


def _bytes_here(remote: Remote, file: RemoteFile) -> int:
    if file.sha256 is None:
        return 0
    for path in (_blob(remote, file.sha256), _part(remote, file.sha256)):
        if path.is_file():
            return min(path.stat().st_size, file.size)
    return 0


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while data := file.read(_HASHED_AT_ONCE):
            digest.update(data)
    return digest.hexdigest()


# --- what goes wrong -------------------------------------------------------------------------


@contextmanager
def _translate_errors(name: str, hub: HubName) -> Iterator[None]:
    """What the hub's client raises, as one line."""
    try:
        yield
    except Timeout:
        raise ModelError(f"{name} is being fetched by another process: wait for it") from None
    except Exception as error:
        found = next((line for kind, line in _lines(name, hub) if isinstance(error, kind)), None)
        if found is not None:
            raise ModelError(found) from error
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise InputError(
                f"the disk of {cache_folder()} is full: make room, and the same command goes on"
            ) from error
        if isinstance(error, OSError | httpx2.HTTPError):
            raise ModelError(_unreachable(name, error)) from error
        raise


def _lines(name: str, hub: HubName) -> tuple[tuple[type[Exception], str], ...]:
    """The kinds of refusal, the narrower before the wider."""
    page = f"{constants.ENDPOINT}/{hub.repository}"
    return (
        (
            GatedRepoError,
            f"{hub.repository} is gated: accept its terms at {page}, then log in with"
            " `hf auth login` or set HF_TOKEN",
        ),
        (
            RevisionNotFoundError,
            f"{hub.repository} has no revision {hub.revision}: see {page}/commits/main",
        ),
        (
            RepositoryNotFoundError,
            f"there is no model {hub.repository} on the hub, or it is private: check the name, or"
            " log in with `hf auth login`",
        ),
        (HFValidationError, f"{name!r} is no hub name: expected owner/name"),
        (
            OfflineModeIsEnabled,
            f"{name} cannot be fetched because HF_HUB_OFFLINE is set: unset it first",
        ),
        (
            LocalEntryNotFoundError,
            f"the hub gave no whole answer about {name}: the same command goes on",
        ),
    )


def _unreachable(name: str, error: Exception) -> str:
    response: Any = getattr(error, "response", None)
    why = (
        f"it answered {response.status_code}"
        if isinstance(error, HfHubHTTPError) and response is not None
        else " ".join(str(error).split())[:120] or type(error).__name__
    )
    return (
        f"{name} cannot be fetched from {constants.ENDPOINT} ({why}): what is here already is kept,"
        " and the same command goes on"
    )
