"""Opening: the formats that Pillow reads, and damaged metadata that does not matter."""

import io
import struct
from collections.abc import Callable
from functools import partial

import pytest
from PIL import Image

from tests.support.images import ORANGE, encode, has_center_color
from vipllava_cli.errors import InputError
from vipllava_cli.images.load import decode, read_header


@pytest.mark.parametrize(
    "format", ["JPEG2000", "ICO", "QOI", "DDS", "PCX", "SGI", "TGA", "AVIF", "PPM", "BMP"]
)
def test_the_formats_of_pillow_are_read(format: str) -> None:
    data = encode(Image.new("RGB", (64, 64), ORANGE), format)
    assert read_header(data, "x").size == (64, 64)
    assert has_center_color(decode(data, "x"), ORANGE)


def test_the_largest_image_of_an_icon_is_taken() -> None:
    data = encode(
        Image.new("RGB", (128, 128), ORANGE), "ICO", sizes=[(16, 16), (128, 128), (48, 48)]
    )
    assert read_header(data, "x").size == decode(data, "x").size == (128, 128)
    data = encode(Image.new("RGB", (256, 256), ORANGE), "ICNS")
    assert read_header(data, "x").size == decode(data, "x").size
    assert has_center_color(decode(data, "x"), ORANGE)


@pytest.mark.parametrize("compression", [None, "tga_rle"])
@pytest.mark.parametrize("mode", ["L", "RGB", "P"])
def test_every_kind_of_tga_is_read(mode: str, compression: str | None) -> None:
    image = Image.new("RGB", (64, 48), ORANGE).convert(mode)
    data = encode(image, "TGA", compression=compression)
    assert decode(data, "x").tobytes() == image.convert("RGB").tobytes()


def bmp_with_alpha(image: Image.Image) -> bytes:
    """Encode as a BMP of version 4, whose fourth byte is the opacity: Pillow writes version 3."""
    pixels = image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).tobytes("raw", "BGRA")
    size = struct.pack("<3I2H6I", 108, *image.size, 1, 32, 3, len(pixels), 0, 0, 0, 0)
    masks = struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000) + b"BGRs" + bytes(48)
    return b"BM" + struct.pack("<3I", 122 + len(pixels), 0, 122) + size + masks + pixels


@pytest.mark.parametrize("write", [bmp_with_alpha, partial(encode, format="TGA")])
def test_opacity_that_hides_all_pixels_of_a_bmp_or_tga_is_not_used(
    write: Callable[[Image.Image], bytes],
) -> None:
    image = Image.new("RGBA", (64, 48), (*ORANGE, 0))
    assert has_center_color(decode(write(image), "x"), ORANGE)
    image.putpixel((0, 0), (0, 0, 0, 255))
    assert has_center_color(decode(write(image), "x"), (255, 255, 255))


@pytest.mark.parametrize("content", [bytes(99), b"\0\0\2" + bytes(9) + b"\xff\xff\xff\xff\x18\0"])
def test_other_bytes_are_no_tga(content: bytes) -> None:
    with pytest.raises(InputError, match="is not an image"):
        decode(content, "x.tga")


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for format in ("JPEG", "PNG", "WEBP"):
        data = encode(Image.new("RGB", (40, 20), ORANGE), format, exif=exif)
        assert read_header(data, "x").size == decode(data, "x").size == (40, 20)


def test_an_orientation_that_is_text_is_ignored() -> None:
    text = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x02\0\0\0\x04six\0\0\0\0\0"
    data = encode(Image.new("RGB", (40, 20), ORANGE), "JPEG", exif=text)
    assert read_header(data, "x").size == decode(data, "x").size == (40, 20)


def test_a_ycck_jpeg_keeps_its_colour() -> None:
    stored = Image.new("RGB", (40, 20), ORANGE).convert("CMYK")
    encoded = io.BytesIO()
    stored.save(encoded, "JPEG", quality=95)
    assert has_center_color(decode(encoded.getvalue(), "x"), ORANGE, 4)


def test_pillow_logs_nothing_about_damaged_tags(capfd: pytest.CaptureFixture[str]) -> None:
    data = encode(Image.new("CMYK", (40, 20)), "TIFF")
    damaged = data.replace(
        b"\x15\x01\x03\x00\x01\x00\x00\x00\x04\x00", b"\x15\x01\x03\x00\x01\x00\x00\x00\xff\x00"
    )
    assert damaged != data
    with pytest.raises(InputError):
        decode(damaged, "x")
    assert capfd.readouterr().err == ""
