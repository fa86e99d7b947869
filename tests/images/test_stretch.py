"""Values of more than 8 bits -> 8-bit levels."""

import numpy as np
import pytest

from vipllava_cli.images.stretch import Samples, stretch
from vipllava_cli.images.window import Window


def levels(values: np.ndarray, window: Window | None = None, **more: object) -> np.ndarray:
    shown = stretch(Samples(values, "16-bit", **more), window)  # type: ignore[arg-type]
    assert shown
    return shown[0]


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "f4", "f8"])
def test_a_few_hot_pixels_do_not_darken_the_rest(dtype: str) -> None:
    values = np.tile(np.linspace(0, 4095, 200), (100, 1)).astype(dtype)
    values[0, :10] = 32767
    shown = levels(values)
    assert (shown.min(), shown.max()) == (0, 255)
    assert len(np.unique(shown)) > 150
    assert abs(int(shown[50, 100]) - 128) <= 3


@pytest.mark.parametrize("dtype", ["u2", "i2", "u4", "f4"])
def test_a_small_region_on_one_background_stays_visible(dtype: str) -> None:
    values = np.full((200, 200), 100, dtype)
    values[10:13, 10:13] = 900  # less than the share that the percentiles leave out
    shown = levels(values)
    assert shown[100, 100] == 0
    assert (shown[10:13, 10:13] == 255).all()


@pytest.mark.parametrize(("value", "level"), [(0, 0), (7, 128), (65535, 128)])
def test_a_constant_image_is_one_grey_level_and_the_note_says_so(value: int, level: int) -> None:
    shown = stretch(Samples(np.full((9, 9), value, np.uint16), "16-bit"), None)
    assert shown
    assert (shown[0] == level).all()
    assert shown[1].note() == f"every 16-bit value is {value}, so the image has one grey level"


def test_the_window_is_exact() -> None:
    values = np.array([[-200, -100, 0, 100, 400, 900]], np.int16)
    assert levels(values, (-100, 400)).tolist() == [[0, 0, 51, 102, 255, 255]]
    assert levels(values.astype("f8"), (-100.0, 400.0)).tolist() == [[0, 0, 51, 102, 255, 255]]


def test_the_note_names_the_percentiles_and_the_range() -> None:
    shown = stretch(Samples(np.arange(1000, dtype=np.uint16).reshape(10, 100), "16-bit"), None)
    assert shown
    assert shown[1].note() == (
        "16-bit values from 5 to 995 (percentiles 0.5 to 99.5) are shown as black to white;"
        " --window LOW,HIGH sets the range"
    )
    by_hand = stretch(Samples(np.zeros((4, 4), np.uint16), "16-bit"), (0, 9))
    assert by_hand
    assert by_hand[1].note() == ""


def test_transparent_pixels_do_not_count_for_the_range() -> None:
    values = np.tile(np.linspace(0, 1000, 100), (10, 1)).astype(np.uint16)
    values[:5] = 60000
    alpha = np.zeros((10, 100), np.uint8)
    alpha[5:] = 255
    assert abs(int(levels(values, alpha=alpha)[7, 50]) - 128) <= 3


def test_large_images_are_scaled_in_parts_that_fit_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    values = np.random.default_rng(1).integers(0, 60000, (90, 70), np.uint16)
    complete = levels(values)
    monkeypatch.setattr("vipllava_cli.images.stretch._BAND", 100)
    assert (levels(values) == complete).all()
