"""Notice that a window of this process no longer exists on an X server without a window manager.

A window manager asks a program to close its window, and OpenCV reports that. Without one, other programs
destroy the window, and OpenCV goes on drawing.
"""

import ctypes
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

_LOOK_SECONDS = 0.2  # between two looks: each connects to the server
_MISSED_LOOKS = 2  # in a row, after which the window counts as destroyed
_ALL_PLANES, _Z_PIXMAP = 0xFFFFFF, 2
_MANAGER_PROPERTY = b"_NET_SUPPORTING_WM_CHECK"  # of the root window, set by a window manager


def watch_new_window(open_window: Callable[[], None], title: str) -> Callable[[], bool]:
    """Open a window. Returns a function that tells whether it was destroyed from outside.

    The function returns False where it cannot tell: with a window manager, and without X11.
    """
    others = _top_windows(title)
    open_window()
    if others is None:
        return lambda: False
    own: set[int] = set()
    next_look, missed_looks = 0.0, 0

    def is_destroyed() -> bool:
        nonlocal next_look, missed_looks
        if time.monotonic() < next_look:
            return False
        next_look = time.monotonic() + _LOOK_SECONDS
        windows = _top_windows(title)
        if windows is None:
            return False
        own.update(windows - others)
        missed_looks = 0 if windows - others else missed_looks + 1
        # Qt may make the window again: for a moment, the server knows neither the old nor the new one.
        return bool(own) and missed_looks >= _MISSED_LOOKS

    return is_destroyed


def is_blank(title: str, x: int, y: int) -> bool:
    """Return whether a pixel of the window with this title is black. False where it cannot tell."""
    with _unmanaged_display() as display:
        if display is None:
            return False
        pixels = [display.pixel(window, x, y) for window in display.titled_windows(title)]
        return set(pixels) == {0}


def _top_windows(title: str) -> set[int] | None:
    """Return the top windows with a title. None with a window manager, and without X11."""
    with _unmanaged_display() as display:
        return display.titled_windows(title) if display else None


@contextmanager
def _unmanaged_display() -> Iterator["_Display | None"]:
    """Connect to the X server. Yields None with a window manager, and without X11."""
    if sys.platform != "linux":
        yield None
        return
    try:
        library = ctypes.CDLL("libX11.so.6")
    except OSError:
        yield None
        return
    with _open_display(library) as display:
        yield None if display is None or display.has_manager() else display


@contextmanager
def _open_display(library: ctypes.CDLL) -> Iterator["_Display | None"]:
    """Connect to the X server. Windows may vanish meanwhile, and Xlib would end the process then."""
    library.XOpenDisplay.restype = library.XSetErrorHandler.restype = ctypes.c_void_p
    pointer = library.XOpenDisplay(None)
    if not pointer:
        yield None
        return
    ignore = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 0)
    previous = library.XSetErrorHandler(ignore)
    try:
        yield _Display(library, ctypes.c_void_p(pointer))
    finally:
        library.XCloseDisplay(ctypes.c_void_p(pointer))
        library.XSetErrorHandler(ctypes.c_void_p(previous))


@dataclass(frozen=True)
class _Display:
    """A connection to the X server."""

    library: Any
    pointer: ctypes.c_void_p

    @property
    def root(self) -> ctypes.c_ulong:
        self.library.XDefaultRootWindow.restype = ctypes.c_ulong
        return ctypes.c_ulong(self.library.XDefaultRootWindow(self.pointer))

    def has_manager(self) -> bool:
        """Return whether a window manager runs."""
        self.library.XInternAtom.restype = ctypes.c_ulong
        self.library.XListProperties.restype = ctypes.POINTER(ctypes.c_ulong)
        atom = self.library.XInternAtom(self.pointer, _MANAGER_PROPERTY, False)
        count = ctypes.c_int()
        atoms = self.library.XListProperties(self.pointer, self.root, ctypes.byref(count))
        found = atom in atoms[: count.value] if atoms else False
        self.library.XFree(atoms)
        return found

    def top_windows(self) -> list[int]:
        """List the children of the root window."""
        root, parent, count = ctypes.c_ulong(), ctypes.c_ulong(), ctypes.c_uint()
        children = ctypes.POINTER(ctypes.c_ulong)()
        places = (ctypes.byref(each) for each in (root, parent, children, count))
        self.library.XQueryTree(self.pointer, self.root, *places)
        windows = list(children[: count.value]) if children else []
        self.library.XFree(children)
        return windows

    def titled_windows(self, title: str) -> set[int]:
        """Return the top windows with a title."""
        return {window for window in self.top_windows() if self.title(window) == title}

    def title(self, window: int) -> str:
        """Return the title of a window, empty if it has none or no longer exists."""
        name = ctypes.c_char_p()
        self.library.XFetchName(self.pointer, ctypes.c_ulong(window), ctypes.byref(name))
        text = (name.value or b"").decode(errors="replace")
        self.library.XFree(name)
        return text

    def pixel(self, window: int, x: int, y: int) -> int | None:
        """Return the value of a pixel on the screen, or None if the window does not show it."""
        self.library.XGetImage.restype = ctypes.c_void_p
        self.library.XGetPixel.restype = ctypes.c_ulong
        place = (ctypes.c_ulong(window), x, y, 1, 1, ctypes.c_ulong(_ALL_PLANES), _Z_PIXMAP)
        image = ctypes.c_void_p(self.library.XGetImage(self.pointer, *place))
        if not image:
            return None
        value = int(self.library.XGetPixel(image, 0, 0)) & 0xFFFFFF
        self.library.XDestroyImage(image)
        return value
