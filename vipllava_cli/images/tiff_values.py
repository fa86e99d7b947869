"""Read the values of a TIFF page that Pillow does not read, or reads with 8 bits.

Pillow's libtiff unpacks the strips and tiles as plain bytes, and numpy makes values of them. So each
type of values comes in each layout and compression.
"""

import io
import struct
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images.stretch import Samples
from vipllava_cli.images.tiff_page import MIN_IS_WHITE, RGB, TiffPage

_NO_COMPRESSION, _DEFLATE = 1, (8, 32946)
_LIBTIFF = (5, 32773, 34925, 50000)  # LZW, PackBits, LZMA, Zstandard
_NO_PREDICTOR, _DIFFERENCES, _FLOAT_BYTES = 1, 2, 3

_Bytes = NDArray[np.uint8]


def check_page(page: TiffPage, name: str) -> None:
    """Raise InputError, with what the page holds, if it is no grey or colour image."""
    if page.bands > 4 and page.photometric != RGB:
        raise InputError(
            f"{name} holds {page.describe()}: expected 1 to 4 bands; write the bands to show to"
            " another TIFF, as `gdal_translate -b 3 -b 2 -b 1 IN.tif OUT.tif` does"
        )
    if page.dtype is None:
        raise InputError(
            f"{name} holds {page.describe()}: expected integers of 8 to 64 bits or floats of 16 to 64"
            " bits; convert it, as `gdal_translate -ot Float32 IN.tif OUT.tif` does"
        )
    if page.compression not in (_NO_COMPRESSION, *_DEFLATE, *_LIBTIFF):
        raise InputError(
            f"{name} holds {page.describe()} with the compression {page.compression_name()}, which is"
            " not read: convert it, as `gdal_translate -co COMPRESS=DEFLATE IN.tif OUT.tif` does"
        )


def read_samples(page: TiffPage, data: bytes, name: str) -> Samples:
    """Read the values of a page as grey or RGB. Raises InputError, and other errors if damaged."""
    check_page(page, name)
    values = _read_bands(page, data)
    alpha = None
    if page.alpha_band is not None:
        alpha = _opacity(values[..., page.alpha_band])
        if page.alpha_band == 1:
            values = values[..., :1]
    is_color = values.shape[2] >= 3
    values = values[..., :3] if is_color else values[..., 0]
    return Samples(
        np.ascontiguousarray(values),
        page.type_name,
        alpha,
        page.nodata,
        inverted=page.photometric == MIN_IS_WHITE,
    )


def _opacity(values: NDArray[Any]) -> _Bytes:
    top = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    scaled = np.nan_to_num(values.astype(np.float32)) / top * 255
    opacity: _Bytes = np.clip(np.round(scaled), 0, 255).astype(np.uint8)
    return opacity


def _read_bands(page: TiffPage, data: bytes) -> NDArray[Any]:
    """Return values [height, width, bands] in the byte order of this machine."""
    if not page.is_planar:
        return _read_plane(page, data)
    count = len(page.offsets) // page.bands
    planes = []
    for band in range(page.bands):
        part = slice(band * count, (band + 1) * count)
        plane = replace(
            page,
            bits=page.bits[:1],
            formats=page.formats[:1],
            offsets=page.offsets[part],
            sizes=page.sizes[part],
        )
        planes.append(_read_plane(plane, data))
    return np.concatenate(planes, axis=2)


def _read_plane(page: TiffPage, data: bytes) -> NDArray[Any]:
    """Return the values of interleaved bands, [height, width, bands]."""
    dtype = page.dtype
    assert dtype is not None  # noqa: S101 - `check_page`
    columns = page.tile_columns or page.width
    blocks = -(-page.width // columns)
    row_bytes = -(-columns * page.bands * page.bits[0] // 8)
    unpack = _unpack if page.compression in (_NO_COMPRESSION, *_DEFLATE) else _unpack_by_libtiff
    rows = unpack(page, data, row_bytes, blocks)  # uint8 [height, blocks * row_bytes]
    parts = []
    for start in range(0, blocks * row_bytes, row_bytes):
        block = np.ascontiguousarray(rows[:, start : start + row_bytes])
        values = _to_values(block, dtype, page)[:, : columns * page.bands]
        parts.append(values.reshape(page.height, columns, page.bands))
    return np.concatenate(parts, axis=1)[:, : page.width]


def _to_values(block: _Bytes, dtype: "np.dtype[Any]", page: TiffPage) -> NDArray[Any]:
    """Convert the rows of a strip or tile, and undo its predictor."""
    height, bands = len(block), page.bands
    native = dtype.newbyteorder("=")
    if page.bits[0] % 8:
        return _unpack_bits(block, page.bits[0])
    if page.predictor == _FLOAT_BYTES:
        summed = np.cumsum(block.reshape(height, -1, bands), axis=1, dtype=np.uint8)
        planes = summed.reshape(height, dtype.itemsize, -1)  # the highest bytes of a row come first
        return (
            planes.transpose(0, 2, 1).copy().view(native.newbyteorder(">")).astype(native)[..., 0]
        )
    values = block.view(dtype).astype(native)
    if page.predictor == _DIFFERENCES:
        unsigned = values.view(f"u{dtype.itemsize}").reshape(height, -1, bands)
        summed = np.cumsum(unsigned, axis=1, dtype=unsigned.dtype)
        values = summed.reshape(height, -1).view(native)
    return values


def _unpack_bits(block: _Bytes, bits: int) -> NDArray[np.uint16]:
    """Unpack values of 9 to 15 bits, which follow each other without gaps."""
    unpacked = np.unpackbits(block, axis=1)
    count = unpacked.shape[1] // bits
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.uint16)
    rows = unpacked[:, : count * bits].reshape(len(block), count, bits)
    values = np.empty((len(block), count), np.uint16)
    for row, packed in enumerate(rows):
        values[row] = packed.astype(np.uint16) @ weights
    return values


# --- strips and tiles ------------------------------------------------------------------------


def _unpack(page: TiffPage, data: bytes, row_bytes: int, blocks: int) -> _Bytes:
    """Return the bytes of all rows, from strips or tiles without compression or with deflate."""
    rows = np.zeros((page.height, blocks * row_bytes), np.uint8)
    if len(page.offsets) < blocks * -(-page.height // page.block_rows):
        raise ValueError("strips are missing")
    for number, offset in enumerate(page.offsets):
        row, column = divmod(number, blocks)
        top, left = row * page.block_rows, column * row_bytes
        count = min(page.block_rows, page.height - top)
        if count <= 0:
            break
        size = count * row_bytes
        if page.compression == _NO_COMPRESSION:
            content = data[offset : offset + size]
        else:
            packed = data[offset : offset + page.sizes[number]]
            content = zlib.decompressobj().decompress(packed, size)
        if len(content) < size:
            raise ValueError("image file is truncated")
        block = np.frombuffer(content, np.uint8).reshape(count, row_bytes)
        rows[top : top + count, left : left + row_bytes] = block
    return rows


def _unpack_by_libtiff(page: TiffPage, data: bytes, row_bytes: int, blocks: int) -> _Bytes:
    """Return the bytes of all rows, from a TIFF of 8-bit pixels with the same strips or tiles."""
    width = blocks * row_bytes
    tags: dict[int, Sequence[int]] = {
        256: (width,), 257: (page.height,), 258: (8,), 259: (page.compression,), 262: (1,), 277: (1,),
    }  # fmt: skip
    if page.tile_columns:
        tags |= {322: (row_bytes,), 323: (page.block_rows,), 324: page.offsets, 325: page.sizes}
    else:
        tags |= {273: page.offsets, 278: (page.block_rows,), 279: page.sizes}
    with Image.open(io.BytesIO(_with_tags(data, tags)), formats=("TIFF",)) as image:
        return np.asarray(image)


def _with_tags(data: bytes, tags: dict[int, Sequence[int]]) -> bytes:
    """Append a directory of 32-bit numbers to a TIFF, and make it the only one."""
    place = len(data) + len(data) % 2
    entries, lists = b"", b""
    lists_at = place + 2 + 12 * len(tags) + 4
    for tag, values in sorted(tags.items()):
        if len(values) == 1:
            content = values[0]
        else:
            content = lists_at + len(lists)
            lists += struct.pack(f"<{len(values)}I", *values)
        entries += struct.pack("<HHII", tag, 4, len(values), content)
    directory = struct.pack("<H", len(tags)) + entries + b"\0\0\0\0" + lists
    padding = b"\0" * (place - len(data))
    return b"".join([b"II*\0", struct.pack("<I", place), data[8:], padding, directory])
