"""Images of more than 8 bits for tests, written byte by byte: no library writes every layout."""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMATS = {"u": 1, "i": 2, "f": 3}
DEFLATE = 8


def ramp(dtype: str = "u2", bands: int = 1, top: float = 4095) -> NDArray[Any]:
    """Return 60x40 pixels whose values grow from left to right, from 0 to `top`.

    Further bands have the values of the first, times 1/2, 1/3 and 1/4.
    """
    row = np.linspace(0, top, 60)
    planes = [np.tile(row / (band + 1), (40, 1)) for band in range(bands)]
    values = np.stack(planes, axis=2).astype(dtype)
    return values[..., 0] if bands == 1 else values


def tiff(
    values: NDArray[Any],
    *,
    order: str = "<",
    big: bool = False,
    tiled: bool = False,
    planar: bool = False,
    deflate: bool = False,
    predictor: int = 1,
    photometric: int = 1,
    **more: Sequence[int] | bytes | None,
) -> bytes:
    """Write a TIFF of values [height, width] or [height, width, bands].

    `more` adds tags, such as `t274=(6,)`.
    """
    height, width = values.shape[:2]
    cube = values.reshape(height, width, -1)
    bands, itemsize = cube.shape[2], cube.dtype.itemsize
    planes = [cube[..., each : each + 1] for each in range(bands)] if planar else [cube]
    rows, columns = (16, 32) if tiled else (7, width)
    blocks = [
        _block(
            plane[top : top + rows, left : left + columns], (rows, columns), order, tiled, predictor
        )
        for plane in planes
        for top in range(0, height, rows)
        for left in range(0, width, columns)
    ]
    content = [zlib.compress(block) if deflate else block for block in blocks]
    head = 16 if big else 8
    offsets = np.cumsum([head, *map(len, content)]).tolist()
    tags: dict[int, Sequence[int] | bytes] = {
        256: (width,), 257: (height,), 258: (8 * itemsize,) * bands, 262: (photometric,),
        259: (DEFLATE if deflate else 1,), 277: (bands,), 284: (2 if planar else 1,),
        317: (predictor,), 339: (FORMATS[cube.dtype.kind],) * bands,
        (324 if tiled else 273): offsets[:-1], (325 if tiled else 279): [*map(len, content)],
        **({322: (columns,), 323: (rows,)} if tiled else {278: (rows,)}),
        **{int(name[1:]): value for name, value in more.items() if value is not None},
    }  # fmt: skip
    return _file(b"".join(content), tags, order, big)


def _block(
    part: NDArray[Any], size: tuple[int, int], order: str, tiled: bool, predictor: int
) -> bytes:
    """Encode a strip or a tile. A tile at the edge is filled up."""
    if tiled:
        gaps = [(0, size[0] - part.shape[0]), (0, size[1] - part.shape[1]), (0, 0)]
        part = np.pad(part, gaps)
    if predictor == 2:
        part = np.diff(part, axis=1, prepend=np.zeros_like(part[:, :1]))
    if predictor == 3:
        big_endian = part.astype(part.dtype.newbyteorder(">")).view(np.uint8)
        height, bands, itemsize = part.shape[0], part.shape[2], part.dtype.itemsize
        planes = (
            big_endian.reshape(height, -1, itemsize).transpose(0, 2, 1).reshape(height, -1, bands)
        )
        return np.diff(planes, axis=1, prepend=np.zeros_like(planes[:, :1])).tobytes()
    return part.astype(part.dtype.newbyteorder(order)).tobytes()  # type: ignore[arg-type]


def _file(content: bytes, tags: dict[int, Sequence[int] | bytes], order: str, big: bool) -> bytes:
    place, number = (16, "Q") if big else (8, "I")
    head = struct.pack(f"{order}2sH", b"II" if order == "<" else b"MM", 43 if big else 42)
    head += struct.pack(f"{order}HHQ", 8, 0, place + len(content)) if big else b""
    head += b"" if big else struct.pack(f"{order}I", place + len(content))
    inline = struct.calcsize(number)
    entry = 4 + 2 * inline
    lists_at = place + len(content) + (8 if big else 2) + entry * len(tags) + inline
    entries, lists = b"", b""
    for tag, value in sorted(tags.items()):
        is_text = isinstance(value, bytes)
        packed = bytes(value) if is_text else struct.pack(f"{order}{len(value)}{number}", *value)
        kind = 2 if is_text else 16 if big else 4
        entries += struct.pack(f"{order}HH{number}", tag, kind, len(value))
        if len(packed) > inline:
            entries += struct.pack(f"{order}{number}", lists_at + len(lists))
            lists += packed
        else:
            entries += packed.ljust(inline, b"\0")
    count = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    return head + content + count + entries + bytes(inline) + lists


def png16(values: NDArray[np.uint16], *chunks: bytes) -> bytes:
    """Write a 16-bit PNG of values [height, width], or with 2 to 4 bands."""
    height, width = values.shape[:2]
    bands = values.reshape(height, width, -1).shape[2]
    color = {1: 0, 2: 4, 3: 2, 4: 6}[bands]
    size = struct.pack(">IIBBBBB", width, height, 16, color, 0, 0, 0)
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), rows], axis=1).tobytes()
    parts = [
        chunk(b"IHDR", size),
        *chunks,
        chunk(b"IDAT", zlib.compress(lines)),
        chunk(b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG."""
    check = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + check
