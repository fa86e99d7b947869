"""Contents of files in the cache: complete ones, named by their checksum, and partial ones.

A partial file is a prefix of its content, whenever the program ends. The next run continues it.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any

from huggingface_hub import constants

from vipllava_cli.engine.hub.cache import repository_folder
from vipllava_cli.engine.hub.client import HubClient
from vipllava_cli.engine.hub.outside_values import RemoteFile
from vipllava_cli.errors import ModelError

_HASH_CHUNK = 8 << 20  # bytes
_SAFETENSORS = ".safetensors"
_SAFETENSORS_START = 9  # bytes: the length of the header, and its first letter
_MAX_HEADER_BYTES = 100 << 20  # the limit of the safetensors format


@dataclass(frozen=True)
class Blob:
    """The content of a remote file in the cache of its repository."""

    repository: str
    file: RemoteFile

    @property
    def path(self) -> Path:
        return repository_folder(self.repository) / "blobs" / self.file.blob_name

    @property
    def partial_path(self) -> Path:
        """The path of a partial download. The hub's own tools count `*.incomplete` as such."""
        return self.path.with_name(f"{self.path.name}.vipllava.incomplete")

    def downloaded_size(self) -> int:
        """Return how many bytes of the content are on this machine."""
        for path in (self.path, self.partial_path):
            if path.is_file():
                return min(path.stat().st_size, self.file.size)
        return 0

    def is_intact(self, path: Path) -> bool:
        """Return whether a file has the size and the checksum of the content."""
        size = path.stat().st_size
        return size == self.file.size and _checksum(path, self.file) == self.file.blob_name

    def delete_if_damaged(self) -> bool:
        """Delete the content if it is damaged. Returns whether it was."""
        if not self.path.is_file() or self.is_intact(self.path):
            return False
        self.path.unlink()
        return True

    def fetch(self, client: HubClient, commit: str, advance: Callable[[int], None]) -> None:
        """Download the missing bytes, verify the checksum, and rename to the final name.

        A partial file that turns out to be damaged is downloaded again. Raises ModelError.
        """
        if self.path.is_file() and self.path.stat().st_size == self.file.size:
            advance(self.file.size)
            return
        while True:
            kept = self._receive(client, commit, advance)
            if self.is_intact(self.partial_path):
                self.partial_path.replace(self.path)
                return
            self.partial_path.unlink()
            advance(-self.file.size)
            if not kept:
                raise ModelError(
                    f"{self.file.name} of {client.name} has a wrong checksum and was deleted: run the"
                    " same command to download it again"
                )
            client.note(f"the partial {self.file.name} was damaged: downloading it again")

    def link(self, snapshot: Path) -> None:
        """Put the file into a snapshot: as a link where the file system has them, else as a copy."""
        target = snapshot / self.file.name
        if target.is_file() and os.path.samefile(target, self.path):
            return
        new = snapshot / f".{self.file.name}.vipllava"
        new.unlink(missing_ok=True)
        try:
            if constants.HF_HUB_DISABLE_SYMLINKS:
                raise OSError
            new.symlink_to(Path("..", "..", "blobs", self.path.name))
        except OSError:
            try:
                os.link(self.path, new)
            except OSError:
                shutil.copyfile(self.path, new)
        new.replace(target)

    def _receive(self, client: HubClient, commit: str, advance: Callable[[int], None]) -> int:
        """Complete the partial file. Returns how many bytes of it are from an earlier run."""
        self.partial_path.parent.mkdir(parents=True, exist_ok=True)
        if self.partial_path.is_symlink() or not self.partial_path.is_file():
            self.partial_path.unlink(missing_ok=True)  # a link or a pipe is not ours to write to
        with self.partial_path.open("ab", buffering=0) as out:
            kept = self._trim(out)
            advance(kept)

            def write(data: bytes) -> None:
                _write_all(out, data)
                advance(len(data))

            client.receive(self.file, commit, kept, write)
            os.fsync(out.fileno())
        return kept

    def _trim(self, out: FileIO) -> int:
        """Cut what cannot belong to the content from a partial file. Returns its size."""
        size = min(out.tell(), self.file.size)
        if self.file.name.endswith(_SAFETENSORS) and size >= _SAFETENSORS_START:
            with self.partial_path.open("rb") as part:
                start = part.read(_SAFETENSORS_START)
            is_plausible = start.endswith(b"{") and (
                int.from_bytes(start[:8], "little") <= _MAX_HEADER_BYTES
            )
            size = size if is_plausible else 0  # such as a web page that a proxy sent
        out.truncate(size)
        return size


def _write_all(out: FileIO, data: bytes) -> None:
    """Write all bytes. An unbuffered file writes fewer, without an error, if the disk gets full."""
    view = memoryview(data)
    while view:
        view = view[out.write(view) :]


def _checksum(path: Path, file: RemoteFile) -> str:
    """Return the sha256 of a large file, or the id of git's object of a small one."""
    digest: Any
    if file.sha256:
        digest = hashlib.sha256()
    else:
        is_sha1 = len(file.git_id) == hashlib.sha1(usedforsecurity=False).digest_size * 2
        digest = hashlib.sha1(usedforsecurity=False) if is_sha1 else hashlib.sha256()
        digest.update(f"blob {file.size}\0".encode())
    with path.open("rb") as content:
        while data := content.read(_HASH_CHUNK):
            digest.update(data)
    return str(digest.hexdigest())
