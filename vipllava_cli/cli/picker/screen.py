"""The display: whether a window can open on it, and how large it may be."""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from vipllava_cli.cli.picker.layout import Size
from vipllava_cli.errors import UsageError

_FALLBACK = (1024, 768)  # pixels: a screen whose size is unknown is probably not smaller
_BORDERS = (24, 96)  # pixels for the frame of the window, its title and the panels of the desktop
_MAX_WINDOW = (1600, 1000)  # pixels: a larger window takes longer to draw; the user may enlarge it

GIVE_OPTIONS = "give the marks as options, such as --box X1,Y1,X2,Y2"


def check_display(opener: str = "--pick", instead: str = GIVE_OPTIONS) -> None:
    """Check that a window can open. Raises UsageError, which advises to do something `instead`."""
    if not _can_open_window():
        raise UsageError(
            f"{opener} opens a window, and there is no display: log in with `ssh -X`, or {instead}"
        )


def _can_open_window() -> bool:
    """Return whether OpenCV can open a window. Another process tries it, because Qt may abort."""
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        return False
    probe = "import cv2; cv2.namedWindow('probe'); cv2.destroyAllWindows()"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, check=False)  # noqa: S603 - a fixed program of our own
    return done.returncode == 0


def max_window_size() -> Size:
    """Return the size of the largest window that fits on the screen with its frame."""
    measure = _MEASURES.get(sys.platform)
    try:
        width, height = measure() if measure else _FALLBACK
    except (OSError, AttributeError):  # the library or its function is missing
        width, height = _FALLBACK
    return (
        min(max(width - _BORDERS[0], 1), _MAX_WINDOW[0]),
        min(max(height - _BORDERS[1], 1), _MAX_WINDOW[1]),
    )


# --- the size of the screen: OpenCV does not tell it -----------------------------------------


class _Monitor(ctypes.Structure):
    """XineramaScreenInfo."""

    _fields_ = (
        ("number", ctypes.c_int),
        ("left", ctypes.c_short),
        ("top", ctypes.c_short),
        ("width", ctypes.c_short),
        ("height", ctypes.c_short),
    )


def _measure_x11() -> Size:
    """Return the size of the smallest monitor, else that of the whole screen."""
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XOpenDisplay.restype = ctypes.c_void_p
    display = ctypes.c_void_p(x11.XOpenDisplay(None))
    if not display:
        return _FALLBACK
    try:
        monitors = _list_monitors(display)
        if monitors:
            widths, heights = zip(*monitors, strict=True)
            return min(widths), min(heights)
        screen = x11.XDefaultScreen(display)
        return x11.XDisplayWidth(display, screen), x11.XDisplayHeight(display, screen)
    finally:
        x11.XCloseDisplay(display)


def _list_monitors(display: ctypes.c_void_p) -> list[Size]:
    """Return the sizes of the monitors; none if the library or the display does not tell."""
    try:
        xinerama = ctypes.CDLL("libXinerama.so.1")
    except OSError:
        return []
    count = ctypes.c_int()
    xinerama.XineramaQueryScreens.restype = ctypes.POINTER(_Monitor)
    monitors = xinerama.XineramaQueryScreens(display, ctypes.byref(count))
    return [(monitors[index].width, monitors[index].height) for index in range(count.value)]


def _measure_windows() -> Size:
    user32 = vars(ctypes)["windll"].user32
    return user32.GetSystemMetrics(0), user32.GetSystemMetrics(1)  # SM_CXSCREEN, SM_CYSCREEN


def _measure_macos() -> Size:
    graphics = ctypes.CDLL("/System/Library/Frameworks/CoreGraphics.framework/CoreGraphics")
    graphics.CGDisplayPixelsWide.restype = graphics.CGDisplayPixelsHigh.restype = ctypes.c_size_t
    display = graphics.CGMainDisplayID()
    return graphics.CGDisplayPixelsWide(display), graphics.CGDisplayPixelsHigh(display)


_MEASURES: Mapping[str, Callable[[], Size]] = {
    "linux": _measure_x11,
    "win32": _measure_windows,
    "darwin": _measure_macos,
}
