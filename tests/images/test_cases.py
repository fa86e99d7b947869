"""Images as other programs write them: one small case for each kind of report.

The pixels of `xray12.png` and `mr.tif` are a ramp from 0 to 4095 and to 1300 from left to right.
"""

from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.support.images import has_center_color
from vipllava_cli.errors import InputError
from vipllava_cli.images import opening
from vipllava_cli.images.load import load_image
from vipllava_cli.marks.marked_image import open_image

CASES = ROOT / "tests" / "fixtures" / "cases"
PHOTO = (80, 120, 90)  # the centre of the photograph in several formats
RED = (230, 20, 20)


def grey(name: str) -> np.ndarray[Any, Any]:
    return np.asarray(load_image(str(CASES / name)).convert("L")).astype(int)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("70-img-16bit-12of16/mr.tif", "16-bit"),
        ("70-img-16bit-12of16/xray12.png", "16-bit"),
        ("72-img-multiband-tiff/int16.tif", "16-bit signed integer"),
        ("72-img-multiband-tiff/u32.tif", "32-bit integer"),
        ("72-img-multiband-tiff/f64.tif", "64-bit float"),
    ],
)
def test_deep_images_use_all_grey_levels(name: str, kind: str) -> None:
    levels = grey(name)
    assert levels.shape == (120, 160)
    assert (levels.min(), levels.max()) == (0, 255)
    assert len(np.unique(levels)) > 100
    assert abs(int(levels[60, 80]) - 128) <= 2
    note = open_image(str(CASES / name)).value_note()
    assert note.startswith(f"{kind} values from ")
    assert "(percentiles 0.5 to 99.5)" in note


def test_colours_of_16_bits_stay() -> None:
    assert has_center_color(
        load_image(str(CASES / "70-img-16bit-12of16/rgb16.png")), (255, 0, 0), 0
    )


def test_a_tiff_of_five_bands_is_named() -> None:
    with pytest.raises(InputError, match="holds 5 bands of 32-bit float values"):
        open_image(str(CASES / "72-img-multiband-tiff/five_float.tif"))


@pytest.mark.parametrize(
    ("name", "color", "tolerance"),
    [
        ("72-img-multiband-tiff/pages.tif", PHOTO, 0),
        ("72-img-multiband-tiff/two8.tif", (200, 200, 200), 0),
        ("72-img-multiband-tiff/white0.tif", (127, 127, 127), 1),
        ("73-img-cmyk/adobe.jpg", RED, 2),
        ("73-img-cmyk/noadobe.jpg", RED, 2),
        ("73-img-cmyk/cmyk.tif", RED, 2),
        ("74-img-mpo/burst.jpg", PHOTO, 2),
        *((f"75-img-odd-containers/{name}", PHOTO, 3) for name in (
            "PHOTO.JPEG", "noext", "p.avif", "p.dds", "p.ico", "p.jp2", "p.tga", "p.webp",
            "photo.jfif", "photo.jpe", "really_webp.jpg",
        )),
        ("76-img-png-text/comfy.png", PHOTO, 0),
        ("77-img-truncated/noiend.png", PHOTO, 0),
        ("77-img-truncated/trailing.jpg", PHOTO, 2),
        ("78-img-alpha/black_on_clear.png", (255, 255, 255), 0),
        ("78-img-alpha/white_on_clear.png", (255, 255, 255), 0),
    ],
)  # fmt: skip
def test_other_images_have_their_colours(
    name: str, color: tuple[int, int, int], tolerance: int
) -> None:
    image = load_image(str(CASES / name))
    assert image.size == open_image(str(CASES / name)).size
    assert has_center_color(image, color, tolerance)


@pytest.mark.parametrize("name", ["badcrc.png", "half.jpg", "last2.jpg", "last20.jpg"])
def test_truncated_images_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"cut short or damaged .* get a complete copy"):
        load_image(str(CASES / "77-img-truncated" / name))


CONTAINERS = {
    "clip.mp4": "an MP4 or QuickTime video",
    "doc.pdf": "a PDF",
    "jxl.jxl": "a JPEG XL image",
    "jxl2.jxl": "a JPEG XL image",
    "lfs.jpg": "`git lfs pull`",
    "p.svg": "an SVG drawing",
    "scan.dcm": "a DICOM file",
    **{f"{brand}.heic": r"vipllava\[heic\]" for brand in ("heic", "heim", "heix", "hevc", "hevx")},
    **{f"{brand}.heic": r"vipllava\[heic\]" for brand in ("mif1", "msf1")},
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_containers_that_are_no_images_are_named(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_has_heic", lambda: False)
    with pytest.raises(InputError, match=CONTAINERS[name]) as error:
        open_image(str(CASES / "75-img-odd-containers" / name))
    assert "\n" not in str(error.value)
