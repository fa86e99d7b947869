"""Read the entries of a ZIP archive within limits.

The sizes that an archive declares are not trusted: reading counts the bytes.
"""

import lzma
import os
import stat
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import BinaryIO, NamedTuple
from zipfile import ZIP_BZIP2, ZIP_DEFLATED, ZIP_LZMA, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from vipllava_cli.errors import InputError, short_name, short_repr
from vipllava_cli.storage.regular_files import open_regular
from vipllava_cli.storage.zip_names import (
    MACHINE_ENCODINGS,
    MAX_PATH,
    decode_name,
    is_junk,
    is_plain,
    leads_outside,
    normal_path,
    raw_name,
)

MAX_ENTRIES = 200_000
MAX_DIRECTORY_BYTES = 32 * 1024 * 1024  # the list of entries: about 130 bytes each
MAX_RATIO = 250  # unpacked size / compressed size, of an entry above MIN_BYTES_FOR_RATIO
MIN_BYTES_FOR_RATIO = 64 * 1024 * 1024

_CHUNK = 256 * 1024
_MAX_OPEN = 4
_METHODS = (ZIP_STORED, ZIP_DEFLATED, ZIP_BZIP2, ZIP_LZMA)
_METHOD_NAMES: Mapping[int, str] = {
    1: "Shrink",
    6: "Implode",
    9: "Deflate64",
    93: "Zstandard",
    95: "XZ",
    96: "JPEG",
    98: "PPMd",
    99: "AES encryption",
}
_UNPACK = "unpack the archive and give the folder"

# What `zipfile` and the decompressors raise for damaged bytes.
_DAMAGES = (
    BadZipFile,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    zlib.error,
)

_SIGNATURES = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


def is_zip(path: str) -> bool:
    """Return whether a regular file starts like a ZIP archive. It may still be damaged."""
    if not os.path.isfile(path):
        return False
    try:
        with open_regular(path) as file:
            return file.read(4) in _SIGNATURES
    except OSError:
        return False


class Member(NamedTuple):
    """The path of an archive, and a path in it; empty for the archive itself."""

    archive: str
    path: str


def find_member(path: str) -> Member | None:
    """Split `export.zip/images/a.jpg`. Returns None if no part of the path is a ZIP archive."""
    if len(path) > 2 * MAX_PATH:
        return None
    if is_zip(path):
        return Member(path, "")
    if os.path.lexists(path):
        return None
    head = path.rstrip("/" + os.sep)
    while head and not os.path.lexists(head):
        parent = os.path.dirname(head)
        head = "" if parent == head else parent
    if not is_zip(head):
        return None
    return Member(head, normal_path(path[len(head) :].replace(os.sep, "/")))


def is_member(path: str) -> bool:
    """Return whether a path names a file in a ZIP archive that can be opened."""
    member = find_member(path)
    if member is None or not member.path:
        return False
    try:
        return open_zip(member.archive).find(member.path) is not None
    except InputError:
        return False


def read_member(path: str, max_bytes: int) -> bytes | None:
    """Read `export.zip/images/a.jpg`, or return None if no archive is in the path.

    Raises InputError.
    """
    member = find_member(path)
    if member is None or not member.path:
        return None
    archive = open_zip(member.archive)
    info = archive.find(member.path)
    if info is None:
        raise InputError(f"{member.archive} contains no {member.path}: check the name of the image")
    return b"".join(archive.iter_chunks(member.path, info, max_bytes))


# --- archives --------------------------------------------------------------------------------


@dataclass(frozen=True)
class ZipArchive:
    """An open archive. Safe to use from several threads.

    `entries` are its files by path, without junk. `links` are the paths of links and devices.
    `repeated` are the paths of several different files; the last one is in `entries`. `undecoded` are
    the paths whose encoding is unknown.
    """

    path: str
    file: ZipFile
    entries: Mapping[str, ZipInfo]
    links: tuple[str, ...]
    repeated: tuple[str, ...]
    undecoded: tuple[str, ...]

    def find(self, path: str) -> ZipInfo | None:
        """Find a file by its path, in any encoding that its archive may have used."""
        info = self.entries.get(path)
        if info is not None or path.isascii():
            return info
        raws = {encoded for codec in MACHINE_ENCODINGS if (encoded := _encode(path, codec))}
        undecoded = (self.entries[name] for name in self.undecoded)
        return next((info for info in undecoded if raw_name(info) in raws), None)

    def iter_chunks(self, path: str, info: ZipInfo, max_bytes: int) -> Iterator[bytes]:
        """Read an entry. Raises InputError if it is damaged, or larger than `max_bytes`."""
        name, count = f"{self.path}/{path}", 0
        try:
            with self.file.open(info) as file:
                while chunk := file.read(_CHUNK):
                    count += len(chunk)
                    _check_size(name, info, count, max_bytes)
                    yield chunk
        except InputError:
            raise
        except _DAMAGES as error:
            reason = str(error).partition("\n")[0] or type(error).__name__
            raise InputError(
                f"{name} is damaged and cannot be unpacked ({reason}): get a complete copy of"
                f" {self.path}"
            ) from None


def _encode(path: str, codec: str) -> bytes:
    return (
        path.encode(codec, "ignore") if path.encode(codec, "replace").decode(codec) == path else b""
    )


def _check_size(name: str, info: ZipInfo, count: int, max_bytes: int) -> None:
    """Raise InputError if an entry is too large, or much larger than what it was compressed to."""
    if count > max_bytes:
        raise InputError(f"{name} is larger than {max_bytes >> 20} MiB: {_UNPACK}")
    if count > MIN_BYTES_FOR_RATIO and count > MAX_RATIO * info.compress_size:
        raise InputError(
            f"{name} is more than {MAX_RATIO} times as large as its compressed bytes, like a ZIP bomb:"
            f" expected images and annotations; if it is right, {_UNPACK}"
        )


def open_zip(path: str, encoding: str | None = None) -> ZipArchive:
    """Open an archive and check its list of entries. `encoding` is for names that are not UTF-8.

    Raises InputError for an archive that is damaged, encrypted, too large, or unsafe.
    """
    try:
        status = os.stat(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    return _open(path, os.path.abspath(path), status.st_mtime_ns, status.st_size, encoding)


@lru_cache(maxsize=_MAX_OPEN)
def _open(path: str, absolute: str, modified: int, size: int, encoding: str | None) -> ZipArchive:
    """Open an archive. The arguments after the path tell an archive from an earlier one there."""
    try:
        with open_regular(absolute) as file:
            _check_directory(path, file, size)
        archive = ZipFile(absolute)
    except InputError:
        raise
    except _DAMAGES as error:
        raise InputError(f"{_damaged(path)} ({str(error).partition(chr(10))[0]})") from None
    infos = archive.infolist()
    if len(infos) > MAX_ENTRIES:
        raise InputError(_too_many(path, len(infos)))
    _check_overlap(path, infos, archive.start_dir)
    return _list_entries(path, archive, encoding)


def _list_entries(path: str, archive: ZipFile, encoding: str | None) -> ZipArchive:
    """Sort the entries of an archive. Raises InputError for one that is unsafe or not readable."""
    entries: dict[str, ZipInfo] = {}
    links, repeated, undecoded = [], [], []
    for info in archive.infolist():
        written, is_known = decode_name(info, encoding)
        name = normal_path(written)
        if leads_outside(written):
            raise InputError(
                f"{path} has the entry {short_name(written)}, which leads out of the archive: pack the"
                " folder again with relative names"
            )
        if not name or written.endswith("/") or is_junk(name):
            continue
        if not is_plain(name):
            raise InputError(
                f"{path} has the entry {short_repr(name)}, whose name has control characters or too"
                " many folders: pack the folder again with plain names"
            )
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind == stat.S_IFDIR:
            continue
        if kind not in (0, stat.S_IFREG):
            links.append(name)
            continue
        _check_readable(path, name, info)
        earlier = entries.get(name)
        if earlier and (earlier.CRC, earlier.file_size) != (info.CRC, info.file_size):
            repeated.append(name)
        entries[name] = info
        if not is_known:
            undecoded.append(name)
    return ZipArchive(path, archive, entries, tuple(links), tuple(repeated), tuple(undecoded))


def _check_readable(path: str, name: str, info: ZipInfo) -> None:
    """Raise InputError for an entry that is encrypted or compressed by another method."""
    if info.flag_bits & 0x1:
        raise InputError(
            f"{path} is encrypted ({name}): unpack it with its password and give the folder"
        )
    if info.compress_type not in _METHODS:
        method = _METHOD_NAMES.get(info.compress_type, f"method {info.compress_type}")
        raise InputError(
            f"{path} is compressed by {method} ({name}), which is not supported: {_UNPACK}"
        )


# --- the list of entries ---------------------------------------------------------------------

_END = struct.Struct("<4s4H2LH")
_END_SIGNATURE = b"PK\x05\x06"
_END64 = struct.Struct("<4sQ2H2L4Q")
_END64_SIGNATURE = b"PK\x06\x06"
_LOCATOR_BYTES = 20
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_MAX_COMMENT = 65_535


def _check_directory(path: str, file: BinaryIO, size: int) -> None:
    """Check the size of the list of entries before `zipfile` reads it. Raises InputError."""
    file.seek(max(size - _END.size - _MAX_COMMENT - _LOCATOR_BYTES - _END64.size, 0))
    tail = file.read()
    at = tail.rfind(_END_SIGNATURE)
    if at < 0 or len(tail) < at + _END.size:
        raise InputError(_damaged(path))
    _, disk, _, _, count, length, _, _ = _END.unpack_from(tail, at)
    if disk not in (0, 0xFFFF):
        raise InputError(f"{path} is one part of a divided archive: unpack all parts together")
    locator = at - _LOCATOR_BYTES
    if locator >= _END64.size and tail.startswith(_LOCATOR_SIGNATURE, locator):
        fields = _END64.unpack_from(tail, locator - _END64.size)
        if fields[0] != _END64_SIGNATURE:
            raise InputError(_damaged(path))
        count, length = fields[7], fields[8]
    if length > size:
        raise InputError(_damaged(path))
    if count > MAX_ENTRIES or length > MAX_DIRECTORY_BYTES:
        raise InputError(_too_many(path, count))


def _check_overlap(path: str, infos: list[ZipInfo], start_dir: int) -> None:
    """Raise InputError if two entries share bytes, as in a ZIP bomb."""
    ordered = sorted(infos, key=lambda info: info.header_offset)
    starts = [*(info.header_offset for info in ordered), start_dir]
    for info, end in zip(ordered, starts[1:], strict=True):
        if info.header_offset + 30 + len(raw_name(info)) + info.compress_size > end:
            raise InputError(
                f"{path} has entries that overlap, like a ZIP bomb ({info.filename}): pack the folder"
                " again"
            )


def _damaged(path: str) -> str:
    return f"{path} is cut short or damaged: get a complete copy"


def _too_many(path: str, count: int) -> str:
    return f"{path} has {count:,} entries, above the limit of {MAX_ENTRIES:,}, or long names: {_UNPACK}"
