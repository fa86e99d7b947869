"""Messages between this process and its image workers: JSON, and the bytes of images and arrays.

What a worker sends is data: nothing in it is run or unpickled.
"""

import json
import struct
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from vipllava_cli.images.pixels import Pixels
from vipllava_cli.images.stretch import Samples

Fields = dict[str, Any]

_HEAD = struct.Struct(">II")  # the bytes of the JSON, and the number of blocks
_LENGTH = struct.Struct(">Q")


def send(file: BinaryIO, fields: Fields, blocks: Sequence[bytes | memoryview] = ()) -> None:
    """Write a message. Raises OSError if the other side has ended."""
    text = json.dumps(fields).encode()
    file.write(_HEAD.pack(len(text), len(blocks)) + text)
    for block in blocks:
        file.write(_LENGTH.pack(len(block)))
        file.write(block)
    file.flush()


def receive(file: BinaryIO) -> tuple[Fields, list[bytes]]:
    """Read a message. Raises EOFError if the other side has ended."""
    size, count = _HEAD.unpack(_read(file, _HEAD.size))
    fields = json.loads(_read(file, size))
    return fields, [_read(file, *_LENGTH.unpack(_read(file, _LENGTH.size))) for _ in range(count)]


def _read(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError
    return data


# --- pixels ----------------------------------------------------------------------------------


def pack_pixels(pixels: Pixels) -> tuple[Fields, list[bytes | memoryview]]:
    """Return the fields and blocks of pixels."""
    fields: Fields = {"orientation": pixels.orientation}
    if pixels.samples is not None:
        return fields | {"samples": _describe(pixels.samples)}, _blocks(pixels.samples)
    image = pixels.image
    assert image is not None  # noqa: S101 - it holds samples or an image
    blocks: list[bytes | memoryview] = [image.tobytes()]
    palette_mode = None
    if image.palette is not None:
        palette_mode = image.im.getpalettemode()
        blocks.append(image.im.getpalette(palette_mode, palette_mode))
    transparency: Any = image.info.get("transparency")
    is_bytes = isinstance(transparency, bytes)
    fields["image"] = {
        "mode": image.mode,
        "size": image.size,
        "format": image.format,
        "palette": palette_mode,
        "transparency": list(transparency) if is_bytes else transparency,
        "is_bytes": is_bytes,
    }
    return fields, blocks


def unpack_pixels(fields: Fields, blocks: Sequence[bytes]) -> Pixels:
    """Return the pixels of a message."""
    if "samples" in fields:
        return Pixels(None, _samples(fields["samples"], blocks), fields["orientation"])
    about = fields["image"]
    image = Image.frombytes(about["mode"], tuple(about["size"]), blocks[0])
    image.format = about["format"]
    if about["palette"]:
        image.putpalette(blocks[1], about["palette"])
    transparency = about["transparency"]
    if transparency is not None:
        convert = bytes if about["is_bytes"] else tuple
        is_list = isinstance(transparency, list)
        image.info["transparency"] = convert(transparency) if is_list else transparency
    return Pixels(image, None, fields["orientation"])


def _describe(samples: Samples) -> Fields:
    return {
        "shape": samples.values.shape,
        "dtype": samples.values.dtype.str,
        "kind": samples.kind,
        "has_alpha": samples.alpha is not None,
        "nodata": samples.nodata,
        "inverted": samples.inverted,
    }


def _blocks(samples: Samples) -> list[bytes | memoryview]:
    arrays: list[Any] = (
        [samples.values] if samples.alpha is None else [samples.values, samples.alpha]
    )
    contiguous: list[Any] = [np.ascontiguousarray(array) for array in arrays]
    return [memoryview(array).cast("B") for array in contiguous]


def _samples(about: Fields, blocks: Sequence[bytes]) -> Samples:
    shape, dtype = tuple(about["shape"]), np.dtype(about["dtype"])
    values = np.frombuffer(blocks[0], dtype).reshape(shape)
    alpha = None
    if about["has_alpha"]:
        alpha = np.frombuffer(blocks[1], np.uint8).reshape(shape[:2])
    return Samples(values, about["kind"], alpha, about["nodata"], inverted=about["inverted"])
