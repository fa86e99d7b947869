"""Images in every format that the program reads, to be damaged, and what may go wrong with them."""

import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from vipllava_cli.errors import VipllavaError
from vipllava_cli.images.load import decode, read_header, read_orientation

_SIZE = (61, 40)
_FRAMES = ("GIF", "TIFF", "WEBP", "PNG")  # formats with several frames

# Format -> the modes and options to write it with.
_FORMS: Mapping[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "PNG": (("RGB", {}), ("P", {}), ("I;16", {}), ("RGBA", {}), ("L", {"bits": 1})),
    "JPEG": (("RGB", {}), ("L", {"progressive": True}), ("CMYK", {})),
    "TIFF": (
        ("RGB", {}),
        ("RGB", {"compression": "tiff_lzw"}),
        ("F", {}),
        ("1", {"compression": "group4"}),
        ("L", {"compression": "tiff_deflate"}),
    ),
    "WEBP": (("RGB", {}), ("RGBA", {"lossless": True})),
    "GIF": (("P", {}), ("L", {})),
    "BMP": (("RGB", {}), ("P", {})),
    "PPM": (("RGB", {}), ("L", {})),
    "AVIF": (("RGB", {}),),
}


@cache
def undamaged_images() -> tuple[tuple[str, bytes], ...]:
    """Return pairs of a name and the bytes of an image."""
    images = []
    for format, forms in _FORMS.items():
        for number, (mode, options) in enumerate(forms):
            images.append((f"{format}-{number}", _encode(format, mode, options)))
        if format in _FRAMES:
            more = {"save_all": True, "append_images": [_image("RGB", 2), _image("RGB", 3)]}
            images.append((f"{format}-frames", _encode(format, "RGB", more)))
    return tuple(images)


def _image(mode: str, seed: int) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 255, (5, 8, 3), np.uint8)
    image = Image.fromarray(pixels).resize(_SIZE)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L"), np.uint16) * 250)
    return image.convert(mode)


def _encode(format: str, mode: str, options: dict[str, Any]) -> bytes:
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[0x0112] = 6
    more = {"exif": exif.tobytes()} if format in ("JPEG", "PNG", "WEBP") else {}
    _image(mode, 1).save(buffer, format, **options, **more)
    return buffer.getvalue()


def image_faults(data: bytes) -> Iterator[str]:
    """Decode an image. Yields what goes wrong, but not the errors for the user."""
    try:
        header = read_header(data, "a.png")
        read_orientation(data, "a.png")
        image = decode(data, "a.png", frame=min(2, header.frames))
    except VipllavaError as error:
        yield from [f"an error of two lines: {error}"] * ("\n" in str(error))
        return
    if image.mode != "RGB" or min(image.size) < 1:
        yield f"the image is {image.mode}, {image.size}"
    if header.frames == 1 and image.size != header.size:
        yield f"the header says {header.size}, the image is {image.size}"
