"""TIFF: each type of values in each layout gives the same image."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.deep_images import ramp, tiff
from vipllava_cli.errors import InputError
from vipllava_cli.images.load import decode, decode_values, read_header, read_orientation
from vipllava_cli.images.pixels import Header
from vipllava_cli.images.source import Source
from vipllava_cli.marks.marked_image import ImageFile

TYPES = ["i1", "u2", "i2", "u4", "i4", "u8", "f2", "f4", "f8"]
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {},
    "big-endian": {"order": ">"},
    "BigTIFF": {"big": True},
    "big-endian BigTIFF": {"order": ">", "big": True},
    "tiles": {"tiled": True},
    "deflate": {"deflate": True},
    "deflated tiles": {"tiled": True, "deflate": True, "order": ">"},
}


def pixels(data: bytes, window: tuple[float, float] | None = None) -> np.ndarray[Any, Any]:
    return np.asarray(decode_values(data, "x.tif", window=window).image)


def assert_ramp(shown: np.ndarray[Any, Any], bands: int = 1) -> None:
    """Check a ramp from black to white, with weaker second and third colours."""
    assert shown.shape == (40, 60, 3)
    row = shown[20].astype(int)
    assert row[0].tolist() == [0, 0, 0]
    assert row[-1, 0] == 255
    assert abs(row[30, 0] - 130) <= 3
    if bands >= 3:
        assert abs(row[30, 1] - 65) <= 3
        assert abs(row[30, 2] - 43) <= 3
    else:
        assert (row[:, 0] == row[:, 1]).all()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", TYPES)
def test_each_type_is_read_in_each_layout(dtype: str, layout: str) -> None:
    top = 120 if dtype == "i1" else 2000
    data = tiff(ramp(dtype, top=top), **LAYOUTS[layout])
    assert read_header(data, "x").kind
    assert_ramp(pixels(data, (0, top)))


@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("bands", [3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
def test_three_and_four_bands_are_colours(dtype: str, bands: int, planar: bool) -> None:
    top = 255 if dtype == "u1" else 1000
    for photometric in (1, 2):
        extra = (0,) if bands == 4 else None
        values = ramp(dtype, bands, top)
        data = tiff(values, planar=planar, photometric=photometric, tiled=True, t338=extra)
        assert_ramp(pixels(data, None if dtype == "u1" else (0, top)), bands)


@pytest.mark.parametrize(("dtype", "predictor"), [("u2", 2), ("i4", 2), ("f4", 3), ("f8", 3)])
@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize("tiled", [False, True])
def test_predictors_are_undone(dtype: str, predictor: int, bands: int, tiled: bool) -> None:
    data = tiff(ramp(dtype, bands, 1000), deflate=True, predictor=predictor, tiled=tiled)
    assert_ramp(pixels(data, (0, 1000)), bands)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "zstd", "lzma", "tiff_deflate"])
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_the_compressions_of_libtiff_are_read(compression: str, dtype: str) -> None:
    encoded = io.BytesIO()
    Image.fromarray(ramp(dtype)).save(encoded, "TIFF", compression=compression)
    assert_ramp(pixels(encoded.getvalue(), (0, 4095)))


def test_all_colours_share_one_range() -> None:
    shown = decode_values(tiff(ramp("u2", 3), photometric=2), "x")
    assert_ramp(np.asarray(shown.image), 3)
    assert shown.stretch
    assert shown.stretch.low == 0
    assert 3900 < shown.stretch.high <= 4095


def test_declared_opacity_shows_white() -> None:
    values = ramp("u2", 4, 60000)
    values[..., 3] = 0
    values[:, 30:, 3] = 65535
    shown = pixels(tiff(values, photometric=2, t338=(2,)))
    assert (shown[:, :30] == 255).all()
    assert shown[20, 35, 0] > shown[20, 35, 1] > shown[20, 35, 2]
    grey = pixels(tiff(values[..., [0, 3]], photometric=1, t338=(2,)))
    assert (grey[:, :30] == 255).all()
    assert grey[20, 31, 0] < 20


def test_a_band_that_is_not_declared_as_opacity_is_none() -> None:
    values = ramp("u2", 4)
    values[..., 3] = 0
    assert_ramp(pixels(tiff(values, photometric=2, t338=(0,)), (0, 4095)), 3)
    assert_ramp(pixels(tiff(values[..., [0, 3]], t338=(0,)), (0, 4095)))


def test_low_values_are_bright_where_the_file_says_so() -> None:
    shown = pixels(tiff(ramp("u2"), photometric=0), (0, 4095))
    assert shown[20, 0, 0] == 255
    assert shown[20, -1, 0] == 0


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_deep_pages_is_applied(orientation: int) -> None:
    upright = ramp("f4")
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: upright.T, 6: upright.T[::-1], 7: upright.T[::-1, ::-1], 8: upright.T[:, ::-1],
    }[orientation]  # fmt: skip
    data = tiff(np.ascontiguousarray(stored), t274=(orientation,))
    assert read_header(data, "x").size == (60, 40)
    assert read_orientation(data, "x") == orientation
    assert_ramp(pixels(data, (0, 4095)))


@pytest.mark.parametrize(
    ("dtype", "nodata", "text"),
    [
        ("f4", np.nan, None), ("f4", np.inf, None), ("f8", -np.inf, None), ("f4", np.nan, b"nan\0"),
        ("i2", -32768, b"-32768\0"), ("f4", -9999, b"-9999\0"), ("u2", 65535, b"65535\0"),
        ("f4", np.float32(-3.4028234663852886e38), b"-3.4028234663852886e+38\0"),
    ],
)  # fmt: skip
def test_pixels_without_a_value_are_left_out_and_black(
    dtype: str, nodata: float, text: bytes | None
) -> None:
    values = ramp(dtype)
    values[:20] = nodata
    shown = decode_values(tiff(values, t42113=text), "x")
    assert shown.stretch
    assert shown.stretch.left_out == 20 * 60
    assert shown.stretch.low == 0
    assert 4025 < shown.stretch.high <= 4095
    assert "1,200 pixels without a value are black" in shown.stretch.note()
    levels = np.asarray(shown.image)
    assert (levels[:20] == 0).all()
    assert levels[30, 0, 0] == 0
    assert levels[30, -1, 0] == 255


def test_a_value_is_left_out_only_where_it_is_declared() -> None:
    values = ramp("i2")
    values[:20] = -9999
    shown = decode_values(tiff(values), "x").stretch
    assert shown
    assert shown.low == -9999
    assert shown.left_out == 0


@pytest.mark.parametrize("text", [None, b"7\0"])
def test_an_image_without_any_value_is_one_line(text: bytes | None) -> None:
    values = np.full((40, 60), 7 if text else np.nan, np.float32)
    with pytest.raises(
        InputError, match=r"x\.tif has no values: .* only NaN, infinity or"
    ) as error:
        decode(tiff(values, t42113=text), "x.tif")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiff(ramp("f4", 5)), "holds 5 bands of 32-bit float values: expected 1 to 4 bands"),
        (tiff(ramp("f4", 5), planar=True), "holds 5 bands of 32-bit float values"),
        (tiff(ramp("u1", 6), tiled=True), "holds 6 bands of 8-bit values"),
        (tiff(ramp("u2", 13), deflate=True), "holds 13 bands of 16-bit values"),
        (tiff(ramp("f4"), t339=(6,)), "holds 1 band of 32-bit complex values: expected integers"),
        (tiff(ramp("u2", 3), t258=(16, 8, 16)), "holds 3 bands of 8/16-bit values"),
        (tiff(ramp("f4"), t259=(34887,)), "with the compression LERC, which is not read"),
    ],
)
def test_a_page_that_is_no_image_is_named_in_one_line(data: bytes, message: str) -> None:
    for read in (read_header, decode):
        with pytest.raises(InputError, match=message) as error:
            read(data, "scan.tif")
        assert str(error.value).startswith("scan.tif ")
        assert "gdal_translate" in str(error.value)
        assert "\n" not in str(error.value)


def test_values_of_12_bits_are_unpacked() -> None:
    values = ramp("u2", top=4000)
    bits = np.unpackbits(values.astype(">u2").view(np.uint8).reshape(40, -1), axis=1)
    packed = np.packbits(bits.reshape(40, 60, 16)[..., 4:].reshape(40, -1), axis=1)
    data = tiff(packed, t256=(60,), t258=(12,))
    assert_ramp(pixels(data, (0, 4000)))


@pytest.mark.parametrize(
    ("bands", "photometric", "extra", "note"),
    [
        (1, 1, None, ""),
        (3, 2, None, ""),
        (2, 1, (2,), ""),
        (2, 1, None, "its 2 bands, and the first is shown as grey"),
        (3, 1, None, "its 3 bands, and the first three are shown as red, green and blue"),
        (4, 1, None, "its 4 bands, and the first three"),
    ],
)
def test_a_note_says_which_unnamed_bands_are_shown(
    bands: int, photometric: int, extra: tuple[int, ...] | None, note: str
) -> None:
    for dtype in ("u1", "u2"):
        data = tiff(ramp(dtype, bands, 200), photometric=photometric, t338=extra)
        file = ImageFile(Source("x"), data)
        for text in (file.value_note(), file.kind_note()):
            assert note in text
            assert bool(note) is ("the file does not name" in text)
            assert ("percentiles" in text) is (dtype == "u2")


def test_pages_are_counted_and_chosen() -> None:
    encoded = io.BytesIO()
    first, second = (Image.fromarray(each) for each in (ramp("f4"), ramp("u2")[:, ::-1].copy()))
    first.save(encoded, "TIFF", save_all=True, append_images=[second])
    data = encoded.getvalue()
    assert read_header(data, "x") == Header((60, 40), 2, "32-bit float")
    assert read_header(data, "x", 2) == Header((60, 40), 2, "16-bit")
    assert np.asarray(decode(data, "x", frame=2))[20, 0, 0] == 255
    with pytest.raises(InputError, match="has 2 frames, and no frame 3"):
        decode(data, "x", frame=3)


@pytest.mark.parametrize("share", [0.3, 0.9])
@pytest.mark.parametrize("deflate", [False, True])
def test_a_page_cut_short_is_refused(share: float, deflate: bool) -> None:
    encoded = io.BytesIO()
    noise = np.random.default_rng(0).random((200, 200)).astype("f4")
    compression = "tiff_adobe_deflate" if deflate else None
    Image.fromarray(noise).save(encoded, "TIFF", compression=compression)
    data = encoded.getvalue()
    with pytest.raises(InputError, match="cut short or damaged"):
        decode(data[: int(len(data) * share)], "x")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.dng", tiff(ramp("u2"), t50706=(1, 4, 0, 0))),
        ("a.tif", tiff(ramp("u2"), photometric=32803)),
        ("a.tif", tiff(ramp("u1"), t254=(1,), t330=(8,))),
        ("a.nef", tiff(ramp("u1"))),
        ("a.CR2", b"II*\0\x10\0\0\0CR\x02\0" + bytes(100)),
    ],
)
def test_the_preview_of_a_raw_camera_file_is_never_taken_for_the_photo(
    name: str, data: bytes
) -> None:
    for read in (read_header, decode):
        with pytest.raises(InputError, match=rf"{name} is not an image: .* a raw camera file"):
            read(data, name)
