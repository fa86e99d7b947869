"""The types of marks, which `--help` imports."""

import subprocess
import sys

import pytest

from tests.support.marks import resolve_text
from vipllava_cli.errors import InputError
from vipllava_cli.marks.shape_table import Units
from vipllava_cli.marks.types import Coordinate, MarkStyle, shift_mark


@pytest.mark.parametrize(
    ("units", "value"),
    [(Units.px, 50), (Units.percent, 25), (Units.unit, 0.25), (Units.thousand, 250)],
)
def test_every_unit_converts_to_pixels(units: Units, value: float) -> None:
    assert Coordinate(value, units.scale).pixels(200) == 50


def test_every_unit_has_a_scale() -> None:
    assert len({units.scale for units in Units}) == len(Units)


@pytest.mark.parametrize("style", [{"width": 0}, {"width": 101}, {"alpha": 0}, {"alpha": 1.1}])
def test_a_style_out_of_range_is_refused(style: dict[str, float]) -> None:
    with pytest.raises(InputError, match="is above 0 and at most"):
        MarkStyle(**style)


def test_a_shifted_mark_keeps_everything_but_its_points() -> None:
    mark = resolve_text("box", "blue:10,20,30,40")
    shifted = shift_mark(mark, -10, 5)
    assert shifted.bounds == (0, 25, 20, 45)
    assert shift_mark(shifted, 10, -5) == mark


def test_the_types_do_not_import_pillow_numpy_or_opencv() -> None:
    program = (
        "import sys; import vipllava_cli.marks.types, vipllava_cli.cli.options;"
        " print(sorted({'PIL', 'numpy', 'cv2'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout == "[]\n"
