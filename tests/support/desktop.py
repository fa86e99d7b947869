"""A virtual screen, with the mouse, the keyboard and the eyes of a person."""

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import ImageGrab

from tests.conftest import ROOT
from tests.support.browser import skip_unless_required

RGB = tuple[int, int, int]


class Area(NamedTuple):
    """A rectangle on the screen, in pixels."""

    left: int
    top: int
    width: int
    height: int

    def at(self, across: float, down: float) -> tuple[int, int]:
        """Return the pixel at these shares of the width and the height."""
        return round(self.left + across * self.width), round(self.top + down * self.height)


@dataclass(frozen=True)
class Desktop:
    """A screen of `width` x `height` pixels without a window manager."""

    display: str
    width: int
    height: int

    @property
    def environment(self) -> dict[str, str]:
        """The variables of a process on this screen."""
        # OpenCV sets the second one when it is imported, but a process of `warm` inherits the module
        # and not the variable.
        plugins = Path(cv2.__file__).parent / "qt" / "plugins"
        qt = {"QT_QPA_PLATFORM_PLUGIN_PATH": str(plugins)}
        return {**os.environ, **qt, "DISPLAY": self.display, "PYTHONPATH": str(ROOT)}

    def xdotool(self, *words: str | int) -> str:
        """Run a command of xdotool. Returns what it prints."""
        ended = subprocess.run(
            ["xdotool", *map(str, words)],
            env=self.environment,
            check=False,
            capture_output=True,
            text=True,
        )
        return ended.stdout

    # --- eyes --------------------------------------------------------------------------------

    def pixels(self) -> NDArray[np.uint8]:
        """Return the screen: uint8 [height, width, 3]."""
        return np.asarray(ImageGrab.grab(xdisplay=self.display))

    def find(self, color: RGB, seconds: float = 60) -> Area | None:
        """Wait for pixels of a colour. Returns the rectangle around them.

        Looks until two looks agree: a window may be half painted.
        """
        deadline = time.monotonic() + seconds
        found = None
        while time.monotonic() < deadline:
            previous, found = found, self._area(color)
            if found is not None and found == previous:
                return found
            time.sleep(0.1)
        return None

    def _area(self, color: RGB) -> Area | None:
        rows, columns = (self.pixels() == color).all(axis=2).nonzero()
        if not len(rows):
            return None
        left, top = int(columns.min()), int(rows.min())
        return Area(left, top, int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1)

    def window(self) -> Area | None:
        """Return the place of the picker's window; None without one."""
        id = self._window_id()
        shown = self.xdotool("getwindowgeometry", "--shell", id) if id else ""
        values = dict(line.split("=") for line in shown.split() if "=" in line)
        names = ("X", "Y", "WIDTH", "HEIGHT")
        return Area(*(int(values[name]) for name in names)) if "WIDTH" in values else None

    def _window_id(self) -> str:
        return self.xdotool("search", "--onlyvisible", "--name", "^vipllava$").partition("\n")[0]

    # --- hands -------------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        for key in keys:
            self.xdotool("key", key)
            time.sleep(0.1)

    def drag(self, *points: tuple[int, int]) -> None:
        """Press the button at the first point, and release it at the last one."""
        self.xdotool("mousemove", *points[0], "sleep", "0.1", "mousedown", "1", "sleep", "0.1")
        for point in points[1:]:
            self.xdotool("mousemove", *point, "sleep", "0.1")
        self.xdotool("mouseup", "1", "sleep", "0.1")

    def click(self, point: tuple[int, int], button: int = 1) -> None:
        self.xdotool("mousemove", *point, "sleep", "0.1", "click", button, "sleep", "0.1")

    def close_window(self) -> None:
        """Send what a window manager sends when the user closes the window."""
        x11 = ctypes.CDLL("libX11.so.6")
        x11.XOpenDisplay.restype = ctypes.c_void_p
        x11.XInternAtom.restype = ctypes.c_ulong
        display = ctypes.c_void_p(x11.XOpenDisplay(self.display.encode()))
        protocols, delete = (
            x11.XInternAtom(display, name, 0) for name in (b"WM_PROTOCOLS", b"WM_DELETE_WINDOW")
        )
        window = ctypes.c_ulong(int(self._window_id()))
        data = (ctypes.c_long * 5)(delete)
        message = _ClientMessage(_CLIENT_MESSAGE, 0, 1, display, window, protocols, 32, data)
        event = _Event(message=message)
        x11.XSendEvent(display, window, 0, ctypes.c_long(0), ctypes.byref(event))
        x11.XCloseDisplay(display)

    def destroy_window(self) -> None:
        """Destroy the window, as a tool does that closes windows without a window manager."""
        self.xdotool("windowclose", self._window_id())


_CLIENT_MESSAGE = 33


class _ClientMessage(ctypes.Structure):
    """XClientMessageEvent."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("serial", ctypes.c_ulong),
        ("send_event", ctypes.c_int),
        ("display", ctypes.c_void_p),
        ("window", ctypes.c_ulong),
        ("message_type", ctypes.c_ulong),
        ("format", ctypes.c_int),
        ("data", ctypes.c_long * 5),
    )


class _Event(ctypes.Union):
    """XEvent."""

    _fields_ = (("message", _ClientMessage), ("padding", ctypes.c_long * 24))


@contextmanager
def open_desktop(width: int, height: int) -> Iterator[Desktop]:
    """Start a virtual screen. Skips the test if a program is missing."""
    if not all(map(shutil.which, ("Xvfb", "xdotool"))):
        skip_unless_required("Xvfb and xdotool are not installed")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        # Without -noreset, the server restarts when its last client leaves and refuses new ones.
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", f"{width}x{height}x24", "-noreset"],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as ready:
        name = f":{ready.readline().strip()}"
    try:
        yield Desktop(name, width, height)
    finally:
        server.terminate()
        server.wait()
