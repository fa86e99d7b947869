"""Read the values of images that Pillow opens, and decodes to 8 bits or to one deep band."""

import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.images.stretch import Samples

_MODES: Mapping[str, str] = {"I": "32-bit integer", "F": "32-bit float"}
_SIXTEEN = "16-bit"

# Pillow's 16-bit PNG modes -> the mode of 8-bit bands, and the raw modes that give the high and the low
# bytes of each value. Grey with opacity has as many bytes as RGBA: grey high, grey low, opacity.
_PNG_RAW: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "I;16B": ("L", ()),
    "RGB;16B": ("RGB", ("RGB;16B", "RGB;16L")),
    "RGBA;16B": ("RGBA", ("RGBA;16B", "RGBA;16L")),
    "LA;16B": ("RGBA", ("RGBA",)),
}


def deep_kind(image: Image.Image, data: bytes) -> str:
    """Name the type of an opened image with more than 8 bits. Empty for 8 bits."""
    if image.mode.startswith("I;16"):
        return _SIXTEEN
    if image.mode in _MODES:
        return _MODES[image.mode]
    if image.format == "PNG":
        return _SIXTEEN if _png_raw_mode(image) in _PNG_RAW else ""
    if image.format == "JPEG2000" and _jpeg2000_bits(data) > 8:
        return _SIXTEEN
    return ""


def read_values(image: Image.Image, data: bytes) -> Samples:
    """Read the values of an opened image of more than 8 bits. Raises many kinds of errors if damaged."""
    kind = deep_kind(image, data)
    if image.format == "PNG" and image.mode != "I;16":
        return _read_png(image, data)
    if image.format == "JPEG2000":
        return _read_jpeg2000(data)
    transparent = image.info.get("transparency")
    values = np.asarray(image)
    if isinstance(transparent, int):  # one grey value of a PNG
        alpha = np.where(values == transparent, 0, 255).astype(np.uint8)
        return Samples(values, kind, alpha)
    return Samples(values, kind)


def from_pillow(image: Image.Image) -> Samples:
    """Take the values of an image in memory in a deep mode."""
    return Samples(np.asarray(image), _MODES.get(image.mode, _SIXTEEN))


def _png_raw_mode(image: Image.Image) -> str:
    tile = getattr(image, "tile", None)
    args = tile[0].args if tile else ""
    return args if isinstance(args, str) else str(args[0]) if args else ""


def _read_png(image: Image.Image, data: bytes) -> Samples:
    raw = _png_raw_mode(image)
    mode, raw_modes = _PNG_RAW[raw]
    layers = [_decode_as(data, mode, raw_mode) for raw_mode in raw_modes]
    if raw == "LA;16B":
        bands = layers[0].astype(np.uint16)
        return Samples(bands[..., 0] << 8 | bands[..., 1], _SIXTEEN, layers[0][..., 2])
    values = layers[0].astype(np.uint16) << 8 | layers[1]
    alpha = layers[0][..., 3] if mode == "RGBA" else None
    transparent = image.info.get("transparency")
    if isinstance(transparent, tuple) and len(transparent) == 3:
        is_clear = (values == np.array(transparent, np.uint16)).all(axis=2)
        alpha = np.where(is_clear, 0, 255).astype(np.uint8)
    return Samples(np.ascontiguousarray(values[..., :3]), _SIXTEEN, alpha)


def _decode_as(data: bytes, mode: str, raw_mode: str) -> NDArray[np.uint8]:
    """Decode a PNG with another interpretation of its bytes."""
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        opened: Any = image
        opened._mode = mode
        opened.tile = [tile._replace(args=raw_mode) for tile in opened.tile]
        opened.info.pop("transparency", None)
        opened.load()
        return np.asarray(opened)


# --- JPEG 2000 -------------------------------------------------------------------------------

_SIZES = b"\xff\x4f\xff\x51"  # the start of a codestream and of the segment of its sizes


def _jpeg2000_bits(data: bytes) -> int:
    """Return the bits of the first component. 0 if the header is damaged."""
    place = data.find(_SIZES, 0, 1 << 20)
    if place < 0 or place + 43 > len(data):
        return 0
    (first,) = struct.unpack_from(">B", data, place + 42)
    return int(first & 0x7F) + 1


def _read_jpeg2000(data: bytes) -> Samples:
    """Read the values with OpenCV: Pillow rounds colours to 8 bits."""
    import cv2

    logging = cv2.utils.logging  # OpenCV prints lines about damaged files to stderr
    logging.setLogLevel(logging.LOG_LEVEL_SILENT)
    read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if read is None:
        raise ValueError("the codestream cannot be decoded")
    values = np.asarray(read)
    if values.ndim == 2:
        return Samples(values, _SIXTEEN)
    alpha = None
    if values.shape[2] == 4:
        alpha = (values[..., 3].astype(np.float32) / (np.iinfo(values.dtype).max / 255)).astype(
            np.uint8
        )
    return Samples(np.ascontiguousarray(values[..., 2::-1]), _SIXTEEN, alpha)
