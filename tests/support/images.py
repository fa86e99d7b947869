"""Encoded images for tests, and a check of their colour."""

import io

from PIL import Image

ORANGE = (250, 120, 10)


def encode(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    """Encode an image in a format of Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def has_center_color(image: Image.Image, rgb: tuple[int, int, int], tolerance: int = 12) -> bool:
    """Return whether the centre pixel has this colour. Fails for an image that is not RGB."""
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert image.mode == "RGB"
    return all(abs(a - b) <= tolerance for a, b in zip(pixel, rgb, strict=True))  # type: ignore[arg-type]


def frames(count: int) -> list[Image.Image]:
    """Return images of 40x20 pixels. The frame at index `n` has the grey value `frame_grey(n)`."""
    return [Image.new("RGB", (40, 20), (frame_grey(number),) * 3) for number in range(count)]


def frame_grey(index: int) -> int:
    """Return the grey value of a frame of `frames`, by its index from 0."""
    return 20 + 40 * index


def animation(format: str = "GIF", count: int = 3) -> bytes:
    """Encode `frames` as one file."""
    first, *others = frames(count)
    lossless = {"lossless": True} if format == "WEBP" else {}
    return encode(first, format, save_all=True, append_images=others, **lossless)
