r"""The names of a ZIP archive's entries: their encoding, and paths that lead out of the archive.

Many programs write names in UTF-8 or in the encoding of the machine, and declare neither. Some write
`images\a.jpg`.
"""

import re
import struct
import zlib
from contextlib import suppress
from zipfile import ZipInfo

_UTF8_FLAG = 0x800
_UNDECLARED = "cp437"  # how `zipfile` decodes a name that does not declare UTF-8
_UNICODE_PATH = 0x7075  # an extra field of Info-ZIP: the name in UTF-8

# Encodings of machines whose archives declare none.
MACHINE_ENCODINGS = (
    "cp437",
    "gb18030",
    "cp932",
    "big5hkscs",
    "cp949",
    "cp1251",
    "cp866",
    "koi8_r",
    "cp1252",
    "cp850",
    "cp1250",
    "cp852",
    "cp1253",
    "cp1254",
)

_OUTSIDE = re.compile(r"/|[A-Za-z]:|(?:.*/)?\.\.(?:/|\Z)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
MAX_PATH = 4096  # characters of an entry's path; no system has longer ones
MAX_LEVELS = 100  # folders of an entry's path
_JUNK_FOLDERS = ("__MACOSX",)
_JUNK_FILES = (".DS_Store", "Thumbs.db", "desktop.ini", "Icon\r")


def raw_name(info: ZipInfo) -> bytes:
    """Return the bytes of a name as the archive holds them."""
    is_utf8 = info.flag_bits & _UTF8_FLAG
    return info.orig_filename.encode("utf-8" if is_utf8 else _UNDECLARED, "surrogateescape")


def decode_name(info: ZipInfo, encoding: str | None = None) -> tuple[str, bool]:
    """Return the path of an entry with forward slashes, and whether its encoding is known.

    `encoding` is for names that are not UTF-8.
    """
    text, is_known = _decode(info, encoding)
    path = text.partition("\0")[0].replace("\\", "/")
    return path, is_known


def _decode(info: ZipInfo, encoding: str | None) -> tuple[str, bool]:
    raw = raw_name(info)
    if raw.isascii() or info.flag_bits & _UTF8_FLAG:
        return info.orig_filename, True
    declared = _unicode_path(info, raw)
    if declared is not None:
        return declared, True
    for codec in filter(None, ("utf-8", encoding)):
        with suppress(UnicodeDecodeError):
            return raw.decode(codec), True
    return info.orig_filename, False


def _unicode_path(info: ZipInfo, raw: bytes) -> str | None:
    """Return the name in the extra field, if it belongs to the name of the entry."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        value, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == _UNICODE_PATH and len(value) > 5:
            if struct.unpack("<L", value[1:5])[0] != zlib.crc32(raw):
                return None
            with suppress(UnicodeDecodeError):
                return value[5:].decode("utf-8")
    return None


def leads_outside(path: str) -> bool:
    """Return whether a path is absolute, starts with a drive, or goes up by `..`."""
    return _OUTSIDE.match(path) is not None


def is_plain(path: str) -> bool:
    """Return whether a relative path has no control characters, and a length that systems allow."""
    is_short = len(path) <= MAX_PATH and path.count("/") <= MAX_LEVELS
    return is_short and _CONTROL.search(path) is None


def normal_path(path: str) -> str:
    """Return a path without `.` and empty parts."""
    return "/".join(part for part in path.split("/") if part not in ("", "."))


def is_junk(path: str) -> bool:
    """Return whether an entry holds only what the desktop of macOS or Windows adds."""
    *folders, name = path.split("/")
    is_fork = name.startswith("._")
    return is_fork or name in _JUNK_FILES or any(part in _JUNK_FOLDERS for part in (*folders, name))
