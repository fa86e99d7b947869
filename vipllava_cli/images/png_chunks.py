"""Leave out the text and the colour profile of a PNG, which Pillow limits to 1 MiB.

Image generators store whole workflows as text. Only text with an orientation is needed.
"""

import struct
import zlib
from collections.abc import Iterator

from vipllava_cli.errors import InputError

PNG_START = b"\x89PNG\r\n\x1a\n"

_UNUSED = (b"tEXt", b"zTXt", b"iTXt", b"iCCP")
_PIXELS = (b"IDAT", b"fdAT", b"fcTL")
_END = b"IEND"
_ORIENTATION_CHUNKS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
_WITH_ORIENTATION = (b"Raw profile type exif\0", b"Raw profile type APP1\0", b"XML:com.adobe.xmp\0")
_MAX_KEPT = 1 << 18  # bytes of a text, packed and unpacked
MAX_CHUNKS = 200_000  # of pixels: 1.3 KiB each in the largest file
MAX_OTHER_CHUNKS = 10_000


def without_large_text(data: bytes, name: str) -> bytes:
    """Return the PNG without text and profile, except for small metadata with an orientation.

    Pillow 13.0.0 goes over all chunks in Python. Raises InputError for more than images have.
    """
    parts, kept, others = [], 0, 0
    for number, (start, end, kind) in enumerate(_chunks(data)):
        others += kind not in _PIXELS
        if number == MAX_CHUNKS or others > MAX_OTHER_CHUNKS:
            raise InputError(
                f"{name} holds more chunks than pixels need: expected at most {MAX_CHUNKS:,}, and"
                f" {MAX_OTHER_CHUNKS:,} of text and the like; save it again with another program"
            )
        if kind in _UNUSED and not _is_needed(data[start + 8 : end - 4], kind):
            parts.append(data[kept:start])
            kept = end
    return b"".join([*parts, data[kept:]]) if kept else data


def may_have_orientation(data: bytes) -> bool:
    """Return whether a PNG has a chunk that can hold an EXIF orientation."""
    return any(kind in _ORIENTATION_CHUNKS for _, _, kind in _chunks(data))


def _chunks(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Iterate over the start, the end and the kind of each complete chunk, up to the last one.

    Other data may follow it, such as the rest of a sector.
    """
    start = len(PNG_START)
    while start + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, start)
        end = start + 12 + length
        if end > len(data):
            return
        yield start, end, kind
        if kind == _END:
            return
        start = end


def _is_needed(content: bytes, kind: bytes) -> bool:
    if len(content) > _MAX_KEPT or not content.startswith(_WITH_ORIENTATION):
        return False
    if kind == b"tEXt":
        return True
    head = content.index(b"\0") + (2 if kind == b"zTXt" else 1)
    if kind == b"iTXt":
        is_packed, fields = content[head : head + 1] == b"\1", content[head + 2 :].split(b"\0", 2)
        if not is_packed:
            return True
        packed = fields[-1]
    else:
        packed = content[head:]
    try:
        return len(zlib.decompressobj().decompress(packed, _MAX_KEPT + 1)) <= _MAX_KEPT
    except zlib.error:
        return False
