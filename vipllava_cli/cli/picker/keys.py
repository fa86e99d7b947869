"""The keys of the picker, and the codes that OpenCV's backends return for them."""

from collections.abc import Callable, Mapping
from enum import Enum, auto

from vipllava_cli.cli.picker.gestures import PICKED_SHAPES
from vipllava_cli.cli.picker.state import PickerState


class Outcome(Enum):
    """What ends the work on an image."""

    ACCEPT = auto()
    CANCEL = auto()
    SKIP = auto()
    BACK = auto()
    FINISH = auto()


# Codes of `waitKeyEx`, by backend: Qt, GTK, Windows, macOS.
_CODES: Mapping[str, tuple[int, ...]] = {
    "enter": (13, 10, 65421),
    "escape": (27, 65307),
    "backspace": (8, 65288, 127),
    "tab": (9, 65289),
    "left": (65361, 2424832, 63234),
    "right": (65363, 2555904, 63235),
}
_NAMES = {code: name for name, codes in _CODES.items() for code in codes}

ONE_IMAGE: Mapping[str, Outcome] = {"enter": Outcome.ACCEPT, "escape": Outcome.CANCEL}
SERIES: Mapping[str, Outcome] = {
    **ONE_IMAGE,
    "right": Outcome.SKIP,
    "left": Outcome.BACK,
    "f": Outcome.FINISH,
}

EDITING: Mapping[str, Callable[[PickerState], PickerState]] = {
    "backspace": PickerState.undo,
    "u": PickerState.undo,
    "z": PickerState.undo,
    "tab": PickerState.next_color,
}

SHAPE_KEYS: Mapping[str, str] = {picked.key: shape for shape, picked in PICKED_SHAPES.items()}

_EDITING_HELP = (("Backspace", "undo"), ("Tab", "next colour"))
ONE_IMAGE_HELP = (
    ("Enter", "accept"),
    *_EDITING_HELP,
    ("Esc", "or closing the window: cancel"),
)
SERIES_HELP = (
    ("Enter", "save, next image"),
    *_EDITING_HELP,
    ("Right", "skip"),
    ("Left", "back"),
    ("F", "save, ask now"),
    ("Esc", "or closing the window: stop"),
)


def key_name(code: int) -> str:
    """Return the name of a key, or its letter in lower case. Unknown keys have no name."""
    plain = code if code in _NAMES else code & 0xFFFF  # GTK adds the state of Caps Lock and others
    return _NAMES.get(plain) or (chr(plain).lower() if 32 < plain < 127 else "")


def edit(state: PickerState, key: str) -> PickerState:
    """Apply a key that changes the marks, the shape or the colour. Other keys change nothing."""
    if key in SHAPE_KEYS:
        return state.choose_shape(SHAPE_KEYS[key])
    return EDITING[key](state) if key in EDITING else state
