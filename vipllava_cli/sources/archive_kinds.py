"""Archives that are not read, and documents that are ZIP archives: what a file is, in one line."""

import os
from collections.abc import Callable, Mapping

from vipllava_cli.errors import InputError
from vipllava_cli.storage.counts import list_some
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.regular_files import open_regular
from vipllava_cli.storage.zip_archive import ZipArchive, is_zip

_HEAD_BYTES = 512
_TAR_AT, _TAR = 257, b"ustar"

# The first bytes of a file -> what it is.
_SIGNATURES: Mapping[bytes, str] = {
    b"\x1f\x8b": "a gzip archive",
    b"BZh": "a bzip2 archive",
    b"\xfd7zXZ\x00": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a Zstandard archive",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive",
    b"Rar!\x1a\x07": "a RAR archive",
}
_SUFFIXES = (
    ".zip",
    ".7z",
    ".rar",
    ".tar",
    ".tgz",
    ".gz",
    ".tbz2",
    ".bz2",
    ".txz",
    ".xz",
    ".zst",
)
_WEB_PAGES = (b"<!doctype html", b"<html")
_TEXTS = (b"{", b"[", b"<")  # of annotations: detection by their content goes on


def is_archive_name(name: str) -> bool:
    """Return whether a name ends like an archive."""
    return name.lower().endswith(_SUFFIXES)


def check_no_archive(name: str) -> None:
    """Raise InputError for an archive that is not ZIP, and for a `.zip` that is none."""
    if name == STANDARD_INPUT or not os.path.isfile(name) or is_zip(name):
        return
    try:
        with open_regular(name) as file:
            head = file.read(_HEAD_BYTES)
    except OSError:
        return  # the reader raises its error
    kind = describe_archive(head)
    if kind:
        raise InputError(f"{name} is {kind}, and only ZIP is read in place: unpack it first")
    if not name.lower().endswith(".zip"):
        return
    text = head.lstrip(b"\xef\xbb\xbf\t\r\n ").lower()
    if text.startswith(_WEB_PAGES):
        raise InputError(f"{name} is a web page and no archive: download the file again")
    if not text.startswith(_TEXTS):
        found = "an empty file" if not head else "other bytes"
        raise InputError(
            f"{name} is not a ZIP archive: expected one, found {found}; get a complete copy"
        )


def describe_archive(head: bytes) -> str | None:
    """Say which archive other than ZIP the first bytes of a file are of, or return None."""
    if head[_TAR_AT:].startswith(_TAR):
        return "a tar archive"
    return next((kind for start, kind in _SIGNATURES.items() if head.startswith(start)), None)


# --- documents -------------------------------------------------------------------------------


def check_content(archive: ZipArchive) -> None:
    """Raise InputError for an empty archive, and for a document or program that is an archive."""
    if not archive.entries:
        raise InputError(f"{archive.path} contains no file: expected images or annotations")
    if all(map(is_archive_name, archive.entries)):
        listed = list_some(list(archive.entries))
        raise InputError(
            f"{archive.path} contains only archives ({listed}): unpack it and give one of them"
        )
    for kind, has_kind in _DOCUMENTS.items():
        if has_kind(archive):
            raise InputError(f"{archive.path} is {kind}")


def _has(*paths: str) -> Callable[[ZipArchive], bool]:
    return lambda archive: any(path in archive.entries for path in paths)


_DOCUMENTS: Mapping[str, Callable[[ZipArchive], bool]] = {
    "a table of Excel: save it as CSV and give that file": _has("xl/workbook.xml"),
    "a document of Microsoft Office: save its images as files and give their folder": _has(
        "[Content_Types].xml"
    ),
    "a document (OpenDocument or EPUB): save its images as files and give their folder": _has(
        "mimetype"
    ),
    "a Java or Android program: expected images or annotations": _has("META-INF/MANIFEST.MF"),
    "an archive of NumPy arrays: save them as images and give their folder": lambda archive: all(
        path.endswith(".npy") for path in archive.entries
    ),
}
