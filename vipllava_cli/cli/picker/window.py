"""OpenCV's window: its events, its size, and its end."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from math import dist
from types import TracebackType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.cli.picker.canvas import Canvas
from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.keys import Outcome, edit, key_name
from vipllava_cli.cli.picker.layout import Size, lay_out
from vipllava_cli.cli.picker.state import PickerState
from vipllava_cli.cli.picker.x11 import is_blank, watch_new_window

TITLE = "vipllava"
_FLAGS = cv2.WINDOW_NORMAL | cv2.WINDOW_GUI_NORMAL | cv2.WINDOW_FREERATIO
_MAX_FRAME = 80  # pixels of the frame of a window and its title
_WAIT_MS = 15  # between two drawings: OpenCV handles the mouse while it waits for a key
# Qt 5.15 on a busy machine sometimes loses the first drawing of a new window, or never notices that the
# window is on the screen, and then draws nothing in it.
_REDRAW_SECONDS = 0.5
_BLANK_SECONDS = 1.5  # after which an empty window is opened again
_MAX_REOPENINGS = 3  # without a drawing


class _MouseEvent(NamedTuple):
    kind: int
    x: int
    y: int
    is_down: bool


class PickerWindow:
    """A window for one image after the other. Use it as a context manager."""

    def __init__(self, size: Size) -> None:
        self._size = size
        self._events: list[_MouseEvent] = []
        self._place: tuple[int, int] | None = None
        self._is_destroyed: Callable[[], bool] = lambda: False
        self._next_look = 0.0
        self._reopenings_left = _MAX_REOPENINGS

    def __enter__(self) -> "PickerWindow":
        os.environ.setdefault("QT_LOGGING_RULES", "default.warning=false")  # Qt warns about fonts
        self._open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        cv2.destroyAllWindows()
        cv2.waitKey(1)  # some backends close the window only now

    def pick(
        self,
        image: Image.Image,
        state: PickerState,
        help: Help,
        outcomes: Mapping[str, Outcome],
        *,
        numbers: bool,
    ) -> tuple[Outcome, PickerState]:
        """Let the user draw until a key of `outcomes`, or the end of the window, which cancels.

        Raises KeyboardInterrupt on Ctrl-C in the terminal.
        """
        canvas = shown = None
        next_drawing = 0.0
        self._events.clear()
        with _noted_interrupt() as is_interrupted:
            while not is_interrupted():
                if canvas is None or canvas.layout.window != self._size:
                    layout = lay_out(image.size, self._size, help.height(self._size[0]))
                    canvas, shown = Canvas(image, layout, help, numbers=numbers), None
                if shown != state:
                    pixels, shown, next_drawing = canvas.render(state), state, 0.0
                if time.monotonic() >= next_drawing:
                    cv2.imshow(TITLE, pixels)
                    next_drawing = time.monotonic() + _REDRAW_SECONDS
                key = key_name(cv2.waitKeyEx(_WAIT_MS))
                if self._is_destroyed() or not _is_open():
                    return Outcome.CANCEL, state
                is_zoomed = any(event.kind in _WHEEL for event in self._events)
                if is_zoomed:
                    self._reopenings_left = _MAX_REOPENINGS
                if is_zoomed or self._is_blank(pixels):
                    self._reopen()
                    shown = None
                state = self._apply_mouse(state, canvas)
                if key in outcomes:
                    return outcomes[key], state
                state = edit(state, key)
                self._size = _measure() or self._size
        raise KeyboardInterrupt

    def _open(self) -> None:
        self._is_destroyed = watch_new_window(self._create, TITLE)
        self._next_look = time.monotonic() + _BLANK_SECONDS

    def _create(self) -> None:
        cv2.namedWindow(TITLE, _FLAGS)
        cv2.resizeWindow(TITLE, *self._size)
        cv2.setMouseCallback(TITLE, self._note_mouse)

    def _is_blank(self, pixels: NDArray[np.uint8]) -> bool:
        """Return whether a new window is still empty. Looks until it is not, some times at most."""
        if not self._reopenings_left or time.monotonic() < self._next_look:
            return False
        row = len(pixels) - 1  # in the help below the image, whose background is not black
        if pixels[row, 0].any() and is_blank(TITLE, 0, row):
            self._reopenings_left -= 1
            return True
        self._reopenings_left = 0
        return False

    def _reopen(self) -> None:
        """Open the window again: Qt zooms with the wheel, and drags then move the image."""
        place = cv2.getWindowImageRect(TITLE)[:2]
        # `place` is where the content is, and `moveWindow` puts the frame there. A new measurement on
        # each turn of the wheel would move the window a little further each time.
        if self._place is None or dist(place, self._place) > _MAX_FRAME:
            self._place = place
        cv2.destroyWindow(TITLE)
        self._open()
        cv2.moveWindow(TITLE, *self._place)

    def _note_mouse(self, kind: int, x: int, y: int, flags: int, _: Any) -> None:
        self._events.append(_MouseEvent(kind, x, y, bool(flags & cv2.EVENT_FLAG_LBUTTON)))

    def _apply_mouse(self, state: PickerState, canvas: Canvas) -> PickerState:
        """Apply the events since the last time."""
        for event in self._events:
            at = canvas.layout.to_image(event.x, event.y)
            if event.kind in _MOUSE:
                state = _MOUSE[event.kind](state, at)
            elif event.kind == cv2.EVENT_MOUSEMOVE:
                # A button that is up without an event was released where no window saw it.
                lost = state.is_dragging and not event.is_down
                state = state.release(at) if lost else state.move(at)
        self._events.clear()
        return state


_MOUSE: Mapping[int, Callable[[PickerState, tuple[float, float]], PickerState]] = {
    cv2.EVENT_LBUTTONDOWN: PickerState.press,
    cv2.EVENT_LBUTTONDBLCLK: PickerState.press,  # in place of, or before, the second press
    cv2.EVENT_LBUTTONUP: PickerState.release,
}
_WHEEL = (cv2.EVENT_MOUSEWHEEL, cv2.EVENT_MOUSEHWHEEL)


def _is_open() -> bool:
    try:
        return bool(cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) >= 1)
    except cv2.error:  # Qt ends with its last window
        return False


def _measure() -> Size | None:
    """Return the size of the window's content, or None if the window does not tell."""
    _, _, width, height = cv2.getWindowImageRect(TITLE)
    return (width, height) if width > 0 and height > 0 else None


@contextmanager
def _noted_interrupt() -> Iterator[Callable[[], bool]]:
    """Note Ctrl-C instead of raising. OpenCV prints and drops what its mouse callback raises."""
    interrupts: list[int] = []
    previous = signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    try:
        yield lambda: bool(interrupts)
    finally:
        signal.signal(signal.SIGINT, previous)
