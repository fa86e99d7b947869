"""Images of more than 8 bits that are no TIFF: PNG, JPEG 2000, PGM, PPM and PFM."""

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.support.deep_images import chunk, png16, ramp
from tests.support.images import encode
from vipllava_cli.errors import InputError
from vipllava_cli.images.load import decode, decode_values, read_header

Pixels = np.ndarray[Any, Any]


def shown(data: bytes, top: float = 4095) -> Pixels:
    return np.asarray(decode_values(data, "x", window=(0, top)).image)


def assert_ramp(pixels: Pixels, bands: int = 1) -> None:
    row = pixels[20].astype(int)
    assert pixels.shape == (40, 60, 3)
    assert (row[0, 0], row[-1, 0]) == (0, 255)
    for band, level in ((0, 130), (1, 65), (2, 43))[: 3 if bands == 3 else 1]:
        assert abs(row[30, band] - level) <= 3


def test_12_bits_of_a_grey_png_use_all_grey_levels() -> None:
    decoded = decode_values(png16(ramp()), "x")
    assert_ramp(np.asarray(decoded.image))
    assert decoded.stretch
    assert "16-bit values from 0 to 4095" in decoded.stretch.note()


def test_12_bits_of_a_colour_png_are_stretched_together() -> None:
    data = png16(ramp("u2", 3))
    assert read_header(data, "x").kind == "16-bit"
    assert_ramp(np.asarray(decode(data, "x")), 3)
    assert_ramp(shown(data), 3)


@pytest.mark.parametrize("bands", [2, 4])
def test_the_opacity_of_a_16_bit_png_shows_white(bands: int) -> None:
    values = ramp("u2", bands)
    values[..., -1] = 65535
    values[:10, :, -1] = 0
    pixels = shown(png16(values))
    assert (pixels[:10] == 255).all()
    assert_ramp(pixels, 3 if bands == 4 else 1)


def test_the_transparent_colour_of_a_16_bit_png_shows_white() -> None:
    values = ramp("u2", 3)
    values[:10] = (5, 6, 7)
    pixels = shown(png16(values, chunk(b"tRNS", struct.pack(">HHH", 5, 6, 7))))
    assert (pixels[:10] == 255).all()
    assert_ramp(pixels, 3)
    grey = ramp()
    grey[:10] = 77
    pixels = shown(png16(grey, chunk(b"tRNS", struct.pack(">H", 77))))
    assert (pixels[:10] == 255).all()


def test_the_orientation_of_a_16_bit_png_is_applied() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = np.ascontiguousarray(ramp("u2", 3).transpose(1, 0, 2)[::-1])
    data = png16(stored, chunk(b"eXIf", exif.tobytes().removeprefix(b"Exif\0\0")))
    assert read_header(data, "x").size == (60, 40)
    assert_ramp(shown(data), 3)


@pytest.mark.parametrize("bands", [1, 3])
def test_jpeg_2000_keeps_its_values(bands: int) -> None:
    values = ramp("u2", bands)
    ordered = values[..., ::-1] if bands == 3 else values
    is_written, encoded = cv2.imencode(".jp2", np.ascontiguousarray(ordered))
    assert is_written
    assert read_header(encoded.tobytes(), "x").kind == "16-bit"
    assert_ramp(shown(encoded.tobytes()), bands)


@pytest.mark.parametrize("color", [False, True])
def test_pgm_and_ppm_keep_their_values(color: bool) -> None:
    values = ramp("u2", 3 if color else 1)
    binary, text = (b"P6", b"P3") if color else (b"P5", b"P2")
    head = b"\n# made by hand\n60 40\n4095\n"
    words = " ".join(map(str, values.reshape(-1))).encode()
    for data in (binary + head + values.astype(">u2").tobytes(), text + head + words):
        assert read_header(data, "x").kind == "16-bit"
        assert_ramp(shown(data), 3 if color else 1)


@pytest.mark.parametrize("color", [False, True])
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pfm_is_read_from_bottom_to_top(color: bool, order: str) -> None:
    values = ramp("f4", 3 if color else 1, 1)
    values[:5] = np.nan
    scale = -1.0 if order == "<" else 1.0
    head = f"{'PF' if color else 'Pf'}\n60 40\n{scale}\n".encode()
    data = head + values[::-1].astype(f"{order}f4").tobytes()
    assert read_header(data, "x").kind == "32-bit float"
    pixels = shown(data, 1)
    assert_ramp(pixels, 3 if color else 1)
    assert (pixels[:5] == 0).all()


@pytest.mark.parametrize("data", [b"P5\n60 40\n4095\n" + bytes(100), b"Pf\n60 40\n-1\n" + bytes(9)])
def test_a_file_cut_short_is_refused(data: bytes) -> None:
    with pytest.raises(InputError, match="cut short or damaged"):
        decode(data, "x")


@pytest.mark.parametrize(
    ("mode", "format"),
    [("L", "PNG"), ("RGB", "PNG"), ("RGBA", "PNG"), ("P", "PNG"), ("1", "PNG"), ("L", "TIFF"),
     ("RGB", "TIFF"), ("1", "TIFF"), ("RGB", "JPEG"), ("L", "PPM"), ("RGB", "PPM")],
)  # fmt: skip
def test_images_of_8_bits_stay_as_they_are(mode: str, format: str) -> None:
    values = np.random.default_rng(0).integers(40, 90, (30, 50, 3), np.uint8)
    image = Image.fromarray(values).convert(mode)
    data = encode(image, format)
    with Image.open(io.BytesIO(data)) as stored:
        expected = stored.convert("RGB").tobytes()
    decoded = decode_values(data, "x", window=(0, 10))
    assert decoded.image.tobytes() == expected
    assert decoded.stretch is None
    assert read_header(data, "x").kind == ""
