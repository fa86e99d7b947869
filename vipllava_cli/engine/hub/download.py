"""Download a model into the local cache: only the files it needs, resumed after a stop, and checked.

The commit that the look-up found is used to the end, so that a branch may move in between.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from vipllava_cli.engine.hub.blobs import Blob
from vipllava_cli.engine.hub.cache import cache_folder, repository_folder
from vipllava_cli.engine.hub.checkpoints import INDEX_FILE, WEIGHTS_FILE, HubName, read_config
from vipllava_cli.engine.hub.checks.files import MAX_BYTES
from vipllava_cli.engine.hub.client import HubClient
from vipllava_cli.engine.hub.download_errors import disk_errors, foreign_answer
from vipllava_cli.engine.hub.names import explain_no_config_on_hub
from vipllava_cli.engine.hub.outside_values import (
    OutsideValueError,
    RemoteFile,
    check_commit,
    check_file,
    is_plain_name,
)
from vipllava_cli.errors import InputError, ModelError
from vipllava_cli.storage.files import atomic_file
from vipllava_cli.storage.sizes import decimal_size

MAX_ENTRIES = 50_000  # files and folders in a repository
MAX_SMALL_FILES = 200
CONFIG_FILE = "config.json"
MAX_CONFIG_BYTES = 16 << 20

_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors", re.ASCII)
_SMALL_FILE = re.compile(r"(?!.*\.bin\.index\.json)[^/]+\.(json|jinja|txt)|tokenizer\.model")


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
        return sum(blob.file.size - blob.downloaded_size() for blob in self.blobs)

    @property
    def blobs(self) -> list[Blob]:
        return [Blob(self.hub.repository, file) for file in self.files]


def look_up(name: str, hub: HubName, note: Callable[[str], None]) -> RemoteModel:
    """Ask the hub which files model `name` needs. Downloads its small config.json.

    `note` receives a line for the user when the hub asks to wait. Raises ModelError.
    """
    with HubClient(name, hub, note) as client:
        commit = _find_commit(client)
        names, listed = _list_files(client, commit)
        if CONFIG_FILE in listed:  # first: another architecture explains missing weights
            config = RemoteModel(hub, commit, (listed[CONFIG_FILE],))
            _check_config(client, config)
    needed = _needed_files(names, name)
    # Small files first: they are there when the weights fail.
    ordered = sorted(needed, key=lambda file: (file not in MAX_BYTES, names.index(file)))
    return RemoteModel(hub, commit, tuple(listed[each] for each in ordered))


def read_remote_config(name: str, hub: HubName) -> tuple[dict[str, Any], int]:
    """Return the config of a model on the hub, and the bytes to download. Downloads its config.json.

    Raises ModelError.
    """
    remote = look_up(name, hub, lambda _: None)
    folder = repository_folder(hub.repository) / "snapshots" / remote.commit
    return read_config(folder, name), remote.missing_size


def check_disk_space(remote: RemoteModel) -> None:
    """Raise InputError if the disk has no space for the rest of the download."""
    folder = cache_folder()
    with disk_errors(remote.hub.repository):
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        missing = remote.missing_size
    if missing > free:
        raise InputError(
            f"{cache_folder()} has too little space: {decimal_size(missing)} are still"
            f" to download and {decimal_size(free)} are free; free some space, or set HF_HOME to a"
            " folder on another disk"
        )


def fetch(
    name: str, remote: RemoteModel, advance: Callable[[int], None], note: Callable[[str], None]
) -> Path:
    """Download what is missing, check it, and return the folder of the complete model.

    `advance` receives the number of new bytes as they arrive, those of earlier runs included, and a
    negative number for bytes that are downloaded again.

    Raises ModelError, and InputError for a full disk.
    """
    with HubClient(name, remote.hub, note) as client, _locked(name, remote):
        for blob in remote.blobs:
            blob.fetch(client, remote.commit, advance)
        snapshot = _link_snapshot(remote)
        _write_reference(remote)
    return snapshot


def delete_damaged_files(remote: RemoteModel) -> list[str]:
    """Delete the files in the cache whose checksum is wrong. Returns their names.

    Raises InputError for a cache that cannot be read.
    """
    with disk_errors(remote.hub.repository):
        return [blob.file.name for blob in remote.blobs if blob.delete_if_damaged()]


# --- the look-up -----------------------------------------------------------------------------


def _find_commit(client: HubClient) -> str:
    """Return the commit that the revision means now. Raises ModelError."""
    try:
        commit = check_commit(client.look_up_commit())
    except OutsideValueError as error:
        raise foreign_answer(client.name, str(error)) from None
    asked = client.hub.revision
    if len(asked) == len(commit) and asked.lower() != commit and _is_hexadecimal(asked):
        raise foreign_answer(client.name, f"commit {commit} in place of {asked}")
    return commit


def _list_files(client: HubClient, commit: str) -> tuple[list[str], dict[str, RemoteFile]]:
    """List the names of all files, and the files that the program may need. Raises ModelError."""
    names: list[str] = []
    needed: dict[str, RemoteFile] = {}
    count = 0
    for page in client.listing(commit):
        count += len(page)
        if count > MAX_ENTRIES:
            raise foreign_answer(client.name, f"more than {MAX_ENTRIES} files")
        for entry in page:
            if not isinstance(entry, dict):
                raise foreign_answer(client.name, "an entry of the list of files is no object")
            name = entry.get("path")
            if entry.get("type") != "file" or not is_plain_name(name):
                continue  # nothing in a folder is needed, and no other name is accepted
            names.append(name)
            if _may_be_needed(name):
                _add_file(client, needed, entry)
    return names, needed


def _add_file(client: HubClient, files: dict[str, RemoteFile], entry: dict[str, object]) -> None:
    try:
        file = check_file(entry)
    except OutsideValueError as error:
        raise foreign_answer(client.name, f"{entry['path']}: {error}") from None
    folded = {name.lower() for name in files}  # some file systems do not tell the case apart
    if file.name.lower() in folded:
        raise foreign_answer(client.name, f"{file.name} is listed twice")
    files[file.name] = file


def _check_config(client: HubClient, config: RemoteModel) -> None:
    """Download config.json into its snapshot, and check the architecture. Raises ModelError."""
    if config.size > MAX_CONFIG_BYTES:
        raise foreign_answer(client.name, f"a config.json of {decimal_size(config.size)}")
    delete_damaged_files(config)
    with _locked(client.name, config):
        config.blobs[0].fetch(client, config.commit, lambda _: None)
        snapshot = _link_snapshot(config)
    read_config(snapshot, client.name)


def _needed_files(names: Sequence[str], model: str) -> set[str]:
    """Select what loading reads of configuration and tokenizer, and the weights: one file, or shards."""
    if CONFIG_FILE not in names:
        raise ModelError(explain_no_config_on_hub(names, model))
    shards = {name for name in names if _SHARD.fullmatch(name)}
    weights = shards if shards and INDEX_FILE in names else {WEIGHTS_FILE}
    if not weights.issubset(names):
        raise ModelError(
            f"{model} has no safetensors on the hub, and other weights are not loaded because they"
            " can run code: get another model or revision"
        )
    small = {name for name in names if _SMALL_FILE.fullmatch(name)}
    if len(small) > MAX_SMALL_FILES:
        raise ModelError(
            f"{model} has {len(small)} small files on the hub, and at most {MAX_SMALL_FILES} are"
            " downloaded: get another model or revision"
        )
    return weights | small & MAX_BYTES.keys()


def _may_be_needed(name: str) -> bool:
    patterns = (_SHARD, _SMALL_FILE)
    return name == WEIGHTS_FILE or any(pattern.fullmatch(name) for pattern in patterns)


def _is_hexadecimal(text: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in text.lower())


# --- the cache -------------------------------------------------------------------------------


@contextmanager
def _locked(name: str, remote: RemoteModel) -> Iterator[None]:
    """Keep other processes from the downloads of a repository. Raises ModelError, InputError."""
    locks = cache_folder() / ".locks" / repository_folder(remote.hub.repository).name
    with disk_errors(name):
        locks.mkdir(parents=True, exist_ok=True)
        with FileLock(locks / "pull.lock", timeout=0):
            yield


def _link_snapshot(remote: RemoteModel) -> Path:
    """Link the downloaded files in the folder of the commit. Returns the folder."""
    snapshot = repository_folder(remote.hub.repository) / "snapshots" / remote.commit
    if snapshot.is_symlink():  # to a folder whose files are not ours to replace
        snapshot.unlink()
    snapshot.mkdir(parents=True, exist_ok=True)
    for blob in remote.blobs:
        blob.link(snapshot)
    return snapshot


def _write_reference(remote: RemoteModel) -> None:
    """Note which commit the branch or tag means, now that its files are complete."""
    if remote.hub.revision != remote.commit:
        path = repository_folder(remote.hub.repository) / "refs" / remote.hub.revision
        path.parent.mkdir(parents=True, exist_ok=True)
        # `atomic_file` replaces the file that a link leads to, and refuses pipes.
        if path.is_symlink() or (path.exists() and not path.is_file() and not path.is_dir()):
            path.unlink()
        with atomic_file(str(path)) as file:
            file.write(remote.commit.encode())
