"""Decoding: every kind of image file becomes upright RGB."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.images import ORANGE, animation, encode, frame_grey, has_center_color
from vipllava_cli.errors import InputError
from vipllava_cli.images import stretch
from vipllava_cli.images.load import decode, fingerprint, load_image, read_header, to_rgb
from vipllava_cli.images.pixels import Header


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_the_format_comes_from_the_bytes_not_from_the_name(format: str, tmp_path: Path) -> None:
    path = tmp_path / "image.dat"
    path.write_bytes(encode(Image.new("RGB", (40, 30), ORANGE), format))
    assert has_center_color(load_image(str(path)), ORANGE)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_each_frame_of_an_animation_can_be_chosen(format: str) -> None:
    data = animation(format)
    assert read_header(data, "x").frames == 3
    for frame in (1, 2, 3):
        grey = (frame_grey(frame - 1),) * 3
        assert has_center_color(decode(data, "x", frame=frame), grey, 4)
    assert decode(data, "x").tobytes() == decode(data, "x", frame=1).tobytes()


def test_a_frame_that_does_not_exist_is_an_error_with_the_number_of_frames() -> None:
    for read in (decode, read_header):
        with pytest.raises(
            InputError, match=r"cat\.gif has 3 frames, and no frame 4: choose 1 to 3"
        ):
            read(animation(), "cat.gif", frame=4)
        with pytest.raises(InputError, match=r"cat\.png has only one frame, and no frame 2"):
            read(encode(Image.new("RGB", (40, 20))), "cat.png", frame=2)


def test_the_pages_of_a_tiff_have_their_own_sizes_and_orientations() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    pages = [Image.new("RGB", (40, 20), ORANGE), Image.new("RGB", (10, 30))]
    pages[1].encoderinfo = {"exif": exif}
    data = encode(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    assert read_header(data, "x", 1) == Header((40, 20), 2)
    assert read_header(data, "x", 2) == Header((30, 10), 2)
    assert decode(data, "x", frame=2).size == (30, 10)


def test_the_preview_of_a_phone_photo_is_no_frame() -> None:
    photo, preview = Image.new("RGB", (40, 20), ORANGE), Image.new("RGB", (8, 4))
    data = encode(photo, "MPO", save_all=True, append_images=[preview])
    assert read_header(data, "x").frames == 1
    assert has_center_color(decode(data, "x"), ORANGE)


def test_a_damaged_later_frame_does_not_matter_for_the_first() -> None:
    data = animation("GIF", 12)
    cut = data[: len(data) // 2]
    assert read_header(cut, "x").size == (40, 20)
    assert has_center_color(decode(cut, "x"), (frame_grey(0),) * 3, 4)


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "YCbCr", "HSV", "CMYK", "LAB"])
def test_every_opaque_mode_keeps_its_colour(mode: str) -> None:
    white = Image.new("RGB", (8, 8), (255, 255, 255))
    image = white.convert(mode)
    assert has_center_color(to_rgb(image), (255, 255, 255))


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBA", "RGBa"])
def test_transparent_pixels_become_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    assert has_center_color(to_rgb(clear), (255, 255, 255))


def test_the_transparent_colour_of_a_palette_becomes_white() -> None:
    image = Image.new("P", (8, 8), 0)
    image.putpalette([0, 0, 0, 255, 0, 0])
    assert has_center_color(decode(encode(image, "PNG", transparency=0), "x"), (255, 255, 255))


def test_sixteen_bits_keep_their_brightness() -> None:
    values = np.full((8, 8), 32768, np.uint16)
    assert has_center_color(decode(encode(Image.fromarray(values)), "x"), (128, 128, 128), 1)
    ramp = np.linspace(-3, 5, 64, dtype=np.float32).reshape(8, 8)
    grey = to_rgb(Image.fromarray(ramp)).convert("L")
    assert grey.getextrema() == (0, 255)


@pytest.mark.parametrize("values", [(-3.0, 5.0), (0.25, 0.25), (float("nan"), 7.0)])
def test_scaling_floats_in_bands_equals_scaling_at_once(
    values: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Image.fromarray(np.linspace(*values, 90 * 7, dtype=np.float32).reshape(90, 7))
    banded = to_rgb(image).tobytes()
    monkeypatch.setattr(stretch, "_BAND", 64)
    assert to_rgb(image).tobytes() == banded


def test_the_exif_orientation_is_applied() -> None:
    upright = Image.new("RGB", (40, 20), ORANGE)
    upright.paste((0, 0, 255), (0, 0, 10, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    rotated = upright.transpose(Image.Transpose.ROTATE_90)
    assert decode(encode(rotated, "PNG", exif=exif), "x").tobytes() == upright.tobytes()


def test_a_damaged_exif_block_is_ignored() -> None:
    data = encode(Image.new("RGB", (40, 20), ORANGE), "JPEG", exif=b"Exif\x00\x00MM\x00*garbage")
    assert has_center_color(decode(data, "x"), ORANGE)


def test_different_images_have_different_fingerprints() -> None:
    orange = encode(Image.new("RGB", (40, 20), ORANGE))
    assert fingerprint(orange) == fingerprint(bytes(orange))
    assert fingerprint(orange) != fingerprint(encode(Image.new("RGB", (20, 40), ORANGE)))
    assert fingerprint(orange, 1) == fingerprint(orange)
    assert len({fingerprint(orange, frame) for frame in (1, 2, 3)}) == 3


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_header_gives_the_upright_size(orientation: int, format: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encode(Image.new("RGB", (40, 20), ORANGE), format, exif=exif)
    assert read_header(data, "x").size == decode(data, "x").size
