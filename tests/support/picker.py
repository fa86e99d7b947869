"""Stand-ins for a user at the picker's window, and for the window itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType

import pytest
from PIL import Image

from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.keys import Outcome, edit
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.marks.types import XY

Box = tuple[float, float, float, float]


def drag(state: PickerState, *points: XY) -> PickerState:
    """Press at the first point, move over the others, and release at the last one."""
    state = state.press(points[0])
    for point in points[1:]:
        state = state.move(point)
    return state.release(points[-1])


def press_keys(state: PickerState, keys: str) -> PickerState:
    for key in keys:
        state = edit(state, key)
    return state


@dataclass(frozen=True)
class Visit:
    """What the user does on one image: keys, then boxes, then the key that ends it."""

    boxes: Sequence[Box] = ()
    outcome: Outcome = Outcome.ACCEPT
    keys: str = ""


@dataclass
class FakeWindow:
    """A window whose user follows a script, and presses Ctrl-C in the terminal after it.

    `captions` and `states` are what the user saw first on each image.
    """

    visits: list[Visit]
    captions: list[str] = field(default_factory=list)
    states: list[PickerState] = field(default_factory=list)

    def __call__(self, size: tuple[int, int]) -> "FakeWindow":
        return self

    def __enter__(self) -> "FakeWindow":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def pick(
        self,
        image: Image.Image,
        state: PickerState,
        help: Help,
        outcomes: Mapping[str, Outcome],
        *,
        numbers: bool,
    ) -> tuple[Outcome, PickerState]:
        self.captions.append(help.caption)
        self.states.append(state)
        if not self.visits:
            raise KeyboardInterrupt
        visit = self.visits.pop(0)
        assert visit.outcome in outcomes.values()
        state = press_keys(state, visit.keys)
        for left, top, right, bottom in visit.boxes:
            state = drag(state, (left, top), (right, bottom))
        return visit.outcome, state


def fake_window(monkeypatch: pytest.MonkeyPatch, *visits: Visit) -> FakeWindow:
    """Replace the window by one whose user makes these visits."""
    window = FakeWindow(list(visits))
    monkeypatch.setattr("vipllava_cli.cli.picker.screen._can_open_window", lambda: True)
    for module in ("pick", "series"):
        monkeypatch.setattr(f"vipllava_cli.cli.picker.{module}.PickerWindow", window)
    return window
