"""An image in the terminal: Sixel, Kitty's or iTerm2's graphics where it can, half blocks elsewhere.

textual-image draws. It would ask the terminal through stdin, and wait for a tenth of a second: here
the terminal itself is asked, so that stdin may be an image and the terminal far away.
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

ANSWER_SECONDS = 1.0  # what a terminal at the other end of a slow line may take

# Is there Kitty's protocol? What are you? Every terminal answers the second, after the first.
_QUERY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
_ATTRIBUTES = re.compile(rb"\x1b\[\?([\d;]*)c")
_SIXEL = b"4"  # among the attributes
_KITTY = b"\x1b_Gi=31;OK\x1b\\"


def show(image: Image.Image) -> None:
    """Draw the image on stdout, no wider than the terminal. Raises UsageError without one."""
    if not sys.stdout.isatty() or not all(os.get_terminal_size(sys.stdout.fileno())):
        raise UsageError(
            "an image is drawn on a terminal, and stdout is none that says its size: write a file,"
            " `vipllava annotate -o FILE`"
        )
    console = Console(no_color=False)  # NO_COLOR is about text; this was asked for
    if console.color_system is None:
        raise UsageError(
            f"--show needs colours, and TERM={os.environ.get('TERM', '')} has none: write a file"
            " with -o"
        )
    # A cell is about twice as high as wide; the image fits into both of the terminal's sides.
    scale = min(min(console.width, 80) / image.width, 2 * console.height / image.height)
    columns = max(round(image.width * scale), 1)
    rows = max(round(image.height * scale / 2), 1)
    if _is_iterm2():
        sys.stdout.write(_iterm2(image, columns, rows) + "\n")
        sys.stdout.flush()
        return
    with _no_questions():
        renderable = _renderable()
        if renderable.__module__.endswith(".tgp"):  # it writes the image's number as a colour
            console = Console(no_color=False, color_system="truecolor")
        console.print(renderable(image, width=columns, height=rows))


def drawing_method() -> str:
    """How images are drawn on stdout, in words."""
    if not sys.stdout.isatty():
        return "not at all: stdout is no terminal"
    if Console(no_color=False).color_system is None:
        return f"not at all: TERM={os.environ.get('TERM', '')} has no colours"
    if _is_iterm2():
        return "iTerm2's inline images"
    with _no_questions():
        kind = _renderable().__module__.rpartition(".")[2]
    return {"sixel": "Sixel", "tgp": "Kitty's graphics"}.get(kind, "half blocks")


# --- iTerm2 ----------------------------------------------------------------------------------


def _is_iterm2() -> bool:
    """Whether iTerm2 draws, here or at the other end of ssh, with no tmux or screen between."""
    inside = os.environ.get("TERM", "").startswith(("tmux", "screen")) or "TMUX" in os.environ
    names = (os.environ.get("TERM_PROGRAM"), os.environ.get("LC_TERMINAL"))
    return not inside and any(name in ("iTerm.app", "iTerm2") for name in names)


def _iterm2(image: Image.Image, columns: int, rows: int) -> str:
    """The image in iTerm2's inline images protocol, as many cells wide and high."""
    small = image.copy()
    small.thumbnail((columns * 20, rows * 40))  # pixels of a cell on a fine screen
    encoded = io.BytesIO()
    small.save(encoded, "PNG")
    data = base64.b64encode(encoded.getvalue()).decode()
    size = f"size={len(encoded.getvalue())};width={columns};height={rows}"
    return f"\x1b]1337;File=inline=1;{size};preserveAspectRatio=1:{data}\a"


# --- the others ------------------------------------------------------------------------------


@contextmanager
def _no_questions() -> Iterator[None]:
    """Hide stdin from textual-image, which then asks nothing and takes what the system knows."""
    if sys.platform == "win32":
        yield  # where it asks better than `_asked` could
        return
    stdin = sys.__stdin__
    vars(sys)["__stdin__"] = None
    try:
        yield
    finally:
        vars(sys)["__stdin__"] = stdin


def _renderable() -> Any:
    """What of textual-image draws on this terminal."""
    logging.getLogger("textual_image").addHandler(logging.NullHandler())
    from textual_image import renderable

    if sys.platform == "win32":
        return renderable.Image
    answer = _asked()
    attributes = _ATTRIBUTES.search(answer)
    if attributes and _SIXEL in attributes[1].split(b";"):
        return renderable.SixelImage  # first: some say that they know Kitty's, and do only a part
    return renderable.TGPImage if _KITTY in answer else renderable.HalfcellImage


def _asked() -> bytes:
    """The terminal's answer to what it is and can; empty if it says nothing."""
    import termios
    import tty

    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:  # no terminal of this process
        return b""
    before = termios.tcgetattr(terminal)
    answer = b""
    try:
        tty.setcbreak(terminal, termios.TCSAFLUSH)
        os.write(terminal, _QUERY)
        deadline = time.monotonic() + ANSWER_SECONDS
        while not _ATTRIBUTES.search(answer):
            left = max(deadline - time.monotonic(), 0)
            if not select.select([terminal], [], [], left)[0]:
                break
            answer += os.read(terminal, 1024)
    except (OSError, termios.error):
        return b""
    finally:
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)  # a late answer is not typed
        os.close(terminal)
    return answer
