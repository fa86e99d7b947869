"""Pick marks on one image."""

from collections.abc import Sequence

from PIL import Image

from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.keys import ONE_IMAGE, ONE_IMAGE_HELP, Outcome
from vipllava_cli.cli.picker.layout import Size, lay_out, window_size
from vipllava_cli.cli.picker.screen import max_window_size
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.cli.picker.window import PickerWindow
from vipllava_cli.marks.shape_table import Units
from vipllava_cli.marks.types import Mark, MarkStyle


def pick_marks(
    image: Image.Image, existing: Sequence[Mark], style: MarkStyle, *, numbers: bool = False
) -> tuple[Mark, ...] | None:
    """Let the user draw marks after the `existing` ones. Returns the new ones; None if cancelled.

    `check_display` must have found a display.
    """
    help = Help("", ONE_IMAGE_HELP)
    room = max_window_size()
    size = window_size(lay_out(image.size, room, help.height(room[0])), help.height)
    state = PickerState(image.size, before=tuple(existing), style=style)
    with PickerWindow(size) as window:
        outcome, state = window.pick(image, state, help, ONE_IMAGE, numbers=numbers)
    return state.kept if outcome is Outcome.ACCEPT else None


def as_options(marks: Sequence[Mark], size: Size, units: Units = Units.px) -> str:
    """Format marks as options of the command line: `--box lime:120,80,340,300`.

    `size` is that of the image. `units` are those of bare numbers on the command line.
    """
    scales = [side / units.scale if units.scale else 1.0 for side in size]
    return " ".join(f"--{mark.shape} {mark.color}:{_coordinates(mark, scales)}" for mark in marks)


def _coordinates(mark: Mark, scales: Sequence[float]) -> str:
    values = (
        value / scale for point in mark.parts[0] for value, scale in zip(point, scales, strict=True)
    )
    return ",".join(f"{value:.10g}" for value in values)
