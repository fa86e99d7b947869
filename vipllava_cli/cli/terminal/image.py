"""An image in the terminal: Sixel, Kitty or iTerm2 graphics where supported, else half blocks.

textual-image draws. It would query the terminal through stdin and wait only a tenth of a second.
This module queries the terminal itself, so that stdin may be an image and the terminal remote.
"""

import base64
import io
import logging
import os
import re
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image
from rich.console import Console

from vipllava_cli.errors import UsageError

REPLY_SECONDS = 1.0  # time that a terminal on a slow connection may take
MAX_COLUMNS = 80

# Queries Kitty's protocol, then the device attributes. Every terminal replies to the second query,
# so that its reply ends the wait.
_QUERY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"  # the device attribute
_KITTY = b"\x1b_Gi=31;OK\x1b\\"

_METHODS = {"sixel": "Sixel", "tgp": "Kitty graphics"}  # by the module of textual-image


def can_show() -> bool:
    """Return whether stdout is a terminal of a known size, with colours and UTF-8."""
    return not _find_obstacle()


def check_can_show(*, instead: str = "use -o FILE") -> None:
    """Raise UsageError, with the advice `instead`, if stdout shows no images."""
    obstacle = _find_obstacle()
    if obstacle:
        raise UsageError(f"--show {obstacle}; {instead}")


def _find_obstacle() -> str:
    """Return the reason why stdout shows no images, or empty text."""
    if not sys.stdout.isatty() or not all(os.get_terminal_size(sys.stdout.fileno())):
        return "needs a terminal"
    if _console().color_system is None:
        return f"needs colours, and TERM={os.environ.get('TERM', '')} has none"
    if _console().options.ascii_only and not _is_iterm2():
        return f"needs UTF-8, and the encoding of this terminal is {_console().encoding}"
    return ""


def _console() -> Console:
    return Console(no_color=False)  # NO_COLOR is about text, not about images


def show(image: Image.Image) -> None:
    """Draw an image on stdout, no larger than the terminal. Raises UsageError, as `check_can_show`."""
    check_can_show()
    console = _console()
    # A cell is about twice as high as wide.
    scale = min(min(console.width, MAX_COLUMNS) / image.width, 2 * console.height / image.height)
    columns = max(round(image.width * scale), 1)
    rows = max(round(image.height * scale / 2), 1)
    if _is_iterm2():
        sys.stdout.write(_iterm2(image, columns, rows) + "\n")
        sys.stdout.flush()
        return
    with _hidden_stdin():
        renderable = _renderable()
        if renderable.__module__.endswith(".tgp"):  # its colours encode the number of the image
            console = Console(no_color=False, color_system="truecolor")
        console.print(renderable(image, width=columns, height=rows))


def drawing_method() -> str:
    """Name the method that draws images on stdout, or the reason why none does."""
    obstacle = _find_obstacle()
    if obstacle:
        return f"none: --show {obstacle}"
    if _is_iterm2():
        return "iTerm2 inline images"
    with _hidden_stdin():
        module = _renderable().__module__.rpartition(".")[2]
    return _METHODS.get(module, "half blocks")


# --- iTerm2 ----------------------------------------------------------------------------------


def _is_iterm2() -> bool:
    """Return whether the terminal is iTerm2, also over ssh, without tmux or screen between."""
    is_nested = os.environ.get("TERM", "").startswith(("tmux", "screen")) or "TMUX" in os.environ
    names = (os.environ.get("TERM_PROGRAM"), os.environ.get("LC_TERMINAL"))
    return not is_nested and any(name in ("iTerm.app", "iTerm2") for name in names)


def _iterm2(image: Image.Image, columns: int, rows: int) -> str:
    """Encode an image in iTerm2's inline images protocol, for an area of `columns` x `rows`."""
    small = image.copy()
    small.thumbnail((columns * 20, rows * 40))  # 20x40 pixels: a cell of a high-resolution screen
    encoded = io.BytesIO()
    small.save(encoded, "PNG")
    data = base64.b64encode(encoded.getvalue()).decode()
    size = f"size={len(encoded.getvalue())};width={columns};height={rows}"
    return f"\x1b]1337;File=inline=1;{size};preserveAspectRatio=1:{data}\a"


# --- other terminals -------------------------------------------------------------------------


@contextmanager
def _hidden_stdin() -> Iterator[None]:
    """Hide stdin from textual-image, which then asks the system and not the terminal."""
    if sys.platform == "win32":
        yield  # `_query_terminal` needs POSIX: textual-image queries the terminal itself
        return
    stdin = sys.__stdin__
    vars(sys)["__stdin__"] = None
    try:
        yield
    finally:
        vars(sys)["__stdin__"] = stdin


def _renderable() -> Any:
    """Return the class of textual-image that draws on this terminal."""
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    from textual_image import renderable

    if sys.platform == "win32":
        return renderable.Image
    reply = _query_terminal()
    attributes = _ATTRIBUTES.search(reply)
    # Sixel comes first: some terminals claim Kitty's protocol and implement only a part of it.
    if attributes and _SIXEL in attributes[1].split(b";"):
        return renderable.SixelImage
    return renderable.TGPImage if _KITTY in reply else renderable.HalfcellImage


def _query_terminal() -> bytes:
    """Return the reply of the terminal to `_QUERY`; empty if there is none."""
    import termios
    import tty

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:  # the process has no terminal
        return b""
    before = termios.tcgetattr(terminal)
    reply = b""
    try:
        tty.setcbreak(terminal, termios.TCSAFLUSH)
        os.write(terminal, _QUERY)
        deadline = time.monotonic() + REPLY_SECONDS
        while not _ATTRIBUTES.search(reply):
            seconds = max(deadline - time.monotonic(), 0)
            if not select.select([terminal], [], [], seconds)[0]:
                break
            reply += os.read(terminal, 1024)
    except (OSError, termios.error):
        return b""
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)  # drops a late reply
        os.close(terminal)
    return reply
