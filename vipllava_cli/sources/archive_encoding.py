"""The encoding of an archive's names, where the archive does not declare it.

The annotations in the archive name its images, mostly in UTF-8. The encoding that gives the most of
these names is the right one.
"""

import json
import os
from collections.abc import Callable
from zipfile import ZipInfo

from vipllava_cli.storage.zip_archive import ZipArchive
from vipllava_cli.storage.zip_names import MACHINE_ENCODINGS, raw_name

_MAX_TEXT_BYTES = 64 * 1024 * 1024


def find_name_encoding(archive: ZipArchive, is_text: Callable[[str], bool]) -> str | None:
    """Return the encoding with which the texts of an archive name most of its files, else None.

    Raises InputError if a text cannot be unpacked.
    """
    text = _read_texts(archive, is_text)
    counts = {
        codec: sum(_is_named(archive.entries[path], codec, text) for path in archive.undecoded)
        for codec in MACHINE_ENCODINGS
    }
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] else None


def _read_texts(archive: ZipArchive, is_text: Callable[[str], bool]) -> bytes:
    """Read the texts of an archive, up to a limit."""
    text = bytearray()
    for path, info in archive.entries.items():
        if is_text(path) and len(text) + info.file_size <= _MAX_TEXT_BYTES:
            for chunk in archive.iter_chunks(path, info, _MAX_TEXT_BYTES):
                text += chunk
    return bytes(text)


def _is_named(info: ZipInfo, codec: str, text: bytes) -> bool:
    """Return whether a text has the name of an entry, decoded by the codec: as it is, or as in JSON."""
    try:
        path = raw_name(info).decode(codec)
    except UnicodeDecodeError:
        return False
    name = os.path.splitext(path.replace("\\", "/").rpartition("/")[2])[0]
    return name.encode() in text or json.dumps(name)[1:-1].encode() in text
