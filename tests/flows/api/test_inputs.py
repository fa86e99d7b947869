"""Images of more than 8 bits in the Python API."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.deep_images import png16, ramp
from vipllava_cli import Box, InputError, UsageError, draw
from vipllava_cli.flows.api.inputs import mark_image

KINDS = ["uint16", "int16", "int32", "float32", "float64", ">u2", ">f8"]


@pytest.mark.parametrize("dtype", KINDS)
def test_arrays_of_more_than_8_bits_are_stretched(dtype: str) -> None:
    marked, notes = mark_image(ramp(dtype), [], numbers=False, zoom=False)
    pixels = np.asarray(marked.drawn())
    assert (pixels.min(), pixels.max()) == (0, 255)
    [note] = notes
    assert "(percentiles 0.5 to 99.5)" in note
    assert note.endswith("window=(LOW, HIGH) sets the range")


@pytest.mark.parametrize("form", ["array", "PIL", "path"])
def test_the_window_is_exact(form: str, tmp_path: Path) -> None:
    values: Any = ramp("uint16")
    (tmp_path / "a.png").write_bytes(png16(values))
    image = {"array": values, "PIL": Image.fromarray(values), "path": tmp_path / "a.png"}[form]
    pixels = np.asarray(draw(image, [Box(2, 2, 9, 9)], window=(0, 8190)))
    assert pixels[20, -1].tolist() == [128] * 3
    assert pixels[20, 30].tolist() == [round(int(values[20, 30]) / 8190 * 255)] * 3


def test_the_window_may_be_numbers_of_numpy() -> None:
    values: Any = ramp("uint16")
    window = np.percentile(values, (1, 99))
    expected = draw(values, [], window=(float(window[0]), float(window[1])))
    for given in (window, tuple(window)):
        assert draw(values, [], window=given).tobytes() == expected.tobytes()


@pytest.mark.parametrize("window", [(5, 5), "0,5", (1, float("nan")), 5])
def test_a_window_that_makes_no_sense_is_refused(window: Any) -> None:
    with pytest.raises(UsageError, match="window: expected two numbers"):
        draw(ramp(), [], window=window)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected an array uint8 .*, found complex64 \[4, 4\]"):
        draw(np.zeros((4, 4), np.complex64), [])
