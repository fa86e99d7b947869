"""Images as data URLs: lossless while small, never without the mark's colour."""

import base64
import io

import numpy as np
from PIL import Image, ImageDraw

from vipllava_cli.engine.server.encoded_image import MAX_BYTES, EncodedImage, encode


def _open(image: EncodedImage, max_side: int | None = None) -> Image.Image:
    head, _, data = image.url(max_side).partition(";base64,")
    opened = Image.open(io.BytesIO(base64.b64decode(data)))
    assert head == f"data:image/{str(opened.format).lower()}"
    return opened


def _noise(side: int, values: int = 64) -> Image.Image:
    """Return an image that no format packs, with a thin red box."""
    pixels = np.random.default_rng(0).integers(0, values, (side, side, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).rectangle((100, 100, 900, 900), outline=(255, 0, 0), width=9)
    return image


def test_keeps_pixels_of_small_images() -> None:
    image = _noise(400)
    opened = _open(encode(image))
    assert opened.format == "PNG"
    assert opened.tobytes() == image.tobytes()


def test_sends_large_images_as_jpeg_with_the_colour_of_the_mark() -> None:
    encoded = encode(_noise(1400))
    opened = _open(encoded)
    assert opened.format == "JPEG"
    assert len(encoded.data) <= MAX_BYTES
    red, green, blue = opened.getpixel((500, 104))  # type: ignore[misc]
    assert red > 200
    assert max(green, blue) < 60


def test_halves_images_that_are_still_too_large() -> None:
    encoded = encode(_noise(2400, values=256))
    assert encoded.side in (1200, 600)
    assert _open(encoded).size == (encoded.side, encoded.side)
    assert len(encoded.data) <= MAX_BYTES


def test_shrinks_on_request() -> None:
    encoded = encode(Image.new("RGB", (1500, 1500), "lime"))
    assert _open(encoded, 1024).size == (1024, 1024)
    assert _open(encoded, 2000).size == (1500, 1500)


def test_makes_small_images_smaller_on_request() -> None:
    image = encode(_noise(1000))
    assert image.format == "PNG"
    shrunk = _open(image, 1024)
    assert (shrunk.format, shrunk.size) == ("JPEG", (1000, 1000))
    assert len(image.url(1024)) < 0.7 * len(image.url())
    red, green, blue = np.asarray(shrunk.convert("RGB"))[500, 104].tolist()
    assert red > 200
    assert max(green, blue) < 60
    flat = encode(Image.new("RGB", (400, 400), "white"))
    assert _open(flat, 1024).format == "PNG"  # JPEG takes more bytes
