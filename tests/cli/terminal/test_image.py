"""What a person sees: an answer that streams, an image in the terminal, a window to drag boxes in."""

import base64
import io
import os
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops, ImageGrab, ImageStat

from tests.conftest import ROOT, SAMPLES, Run
from tests.support import warm

if sys.platform == "win32":
    pytest.skip("needs a terminal and signals of POSIX", allow_module_level=True)

import fcntl
import pty
import struct
import termios

ZOO = SAMPLES / "zoo-red-box.png"
ASKED = b"\x1b[c"  # what are you?
KITTY = b"\x1b_Gi=31;OK\x1b\\"
WITH_SIXEL, WITHOUT = b"\x1b[?62;4;22c", b"\x1b[?62;22c"


def in_terminal(
    *arguments: str | Path,
    variables: Mapping[str, str] | None = None,
    answer: bytes = WITHOUT,
    stdin: Path | None = None,
) -> bytes:
    """What a terminal of 80x24 cells of 8x16 pixels receives until the command ends. It gives this
    answer to what it is.
    """
    environment = {**os.environ, "TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    for name in ("TERM_PROGRAM", "LC_TERMINAL", "TMUX", "COLORTERM", "NO_COLOR"):
        environment.pop(name, None)
    terminal, own = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 640, 384))
    read = own if stdin is None else os.open(stdin, os.O_RDONLY)
    command = ("-m", "vipllava_cli", *map(str, arguments))
    started = warm.start(
        *command, env={**environment, **(variables or {})}, folder=Path(), streams=(read, own, own)
    )
    for stream in {read, own}:
        os.close(stream)
    received = b""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if ASKED in received[-8:] + data and ASKED not in received:
            os.write(terminal, answer)
        received += data
    assert started.wait() is not None
    os.close(terminal)
    return received


def shown(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        return image.convert("RGB")


def looks_like_zoo(image: Image.Image) -> bool:
    with Image.open(ZOO) as zoo:
        other = zoo.convert("RGB").resize(image.size)
    return max(ImageStat.Stat(ImageChops.difference(image, other)).mean) < 5


def test_an_answer_streams_to_a_terminal() -> None:
    said = in_terminal("ask", ZOO, "what is in the red box?", "--model", "tiny", "-q")
    assert said == b"a penguin\r\n"


# --- --show ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "variables"),
    [
        (WITHOUT, {}),
        (b"", {}),
        (b"\x1b[?1;2c", {"TERM": "tmux-256color", "TMUX": "x", "LC_TERMINAL": "iTerm2"}),
    ],
    ids=["answers", "is silent", "tmux"],
)
def test_half_blocks_where_there_are_no_graphics(answer: bytes, variables: dict[str, str]) -> None:
    received = in_terminal("annotate", ZOO, "--show", variables=variables, answer=answer)
    assert received.partition(ASKED)[2].count("▀".encode()) == 48 * 24
    assert b"\x1bP" not in received
    assert b"1337" not in received


def test_half_blocks_show_a_image_from_standard_input_without_no_color() -> None:
    received = in_terminal("annotate", "-", "--show", variables={"NO_COLOR": "1"}, stdin=ZOO)
    assert received.count("▀".encode()) == 48 * 24
    assert b"\x1b[38;" in received


def test_sixel_where_the_terminal_has_it() -> None:
    received = in_terminal("annotate", ZOO, "--show", answer=KITTY + WITH_SIXEL)
    sixels = re.findall(rb"\x1bP[\d;]*q([^\x1b]*)\x1b\\", received)
    assert len(sixels) == 1
    assert sixels[0].startswith(b'"1;1;384;384')
    assert "▀".encode() not in received


def test_kittys_graphics_where_the_terminal_has_them() -> None:
    received = in_terminal("annotate", ZOO, "--show", answer=KITTY + WITHOUT)
    messages = re.findall(rb"\x1b_G([^;\x1b]*);?([^\x1b]*)\x1b\\", received.partition(ASKED)[2])
    image = shown(b"".join(payload for _, payload in messages))
    assert image.size == (384, 384)
    assert looks_like_zoo(image)
    place = re.search(rb"a=p,i=(\d+),c=48,r=24,U=1", messages[-1][0])
    assert place
    number = int(place[1])
    color = f"\x1b[38;2;{number >> 16 & 255};{number >> 8 & 255};{number & 255}m"
    assert color.encode() in received, "the cells do not name the image"


@pytest.mark.parametrize("variables", [{"TERM_PROGRAM": "iTerm.app"}, {"LC_TERMINAL": "iTerm2"}])
def test_iterm2s_images_where_it_is_iterm2(variables: dict[str, str]) -> None:
    received = in_terminal("annotate", ZOO, "--show", variables=variables)
    image = re.fullmatch(rb"\x1b\]1337;File=([^:]*):([^\a]*)\a\r\n", received)
    assert image
    assert b"inline=1;" in image[1]
    assert b"width=48;height=24;" in image[1]
    assert f"size={len(base64.b64decode(image[2]))};".encode() in image[1]
    assert looks_like_zoo(shown(image[2]))


def test_a_terminal_without_colours_is_told() -> None:
    received = in_terminal("annotate", ZOO, "--show", variables={"TERM": "dumb"})
    assert received == (b"error: --show needs colours, and TERM=dumb has none; use -o FILE\r\n")


# --- --pick ----------------------------------------------------------------------------------


@pytest.fixture
def display() -> Iterator[str]:
    """A screen in memory, of 1600x1200 pixels."""
    if not all(map(shutil.which, ("Xvfb", "xdotool"))):
        pytest.skip("Xvfb and xdotool are not installed")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        # Without -noreset it starts anew when its last client goes, and refuses those that come then.
        ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1200x24", "-noreset"],
        pass_fds=(writer,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writer)
    with os.fdopen(reader) as ready:
        name = f":{ready.readline().strip()}"
    yield name
    server.terminate()
    server.wait()


class Hand:
    """A mouse and a keyboard at a display."""

    def __init__(self, display: str) -> None:
        self.environment = {**os.environ, "DISPLAY": display}

    def does(self, *words: str | int) -> None:
        """One command of xdotool."""
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True)

    def finds(
        self, color: tuple[int, int, int], size: tuple[int, int], seconds: float = 10
    ) -> tuple[int, int] | None:
        """Where an image of one colour and of this size lies on the screen, once it is there."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            screen = np.asarray(ImageGrab.grab(xdisplay=self.environment["DISPLAY"]))
            rows, columns = (screen == color).all(axis=2).nonzero()
            if len(rows) and (np.ptp(columns) + 1, np.ptp(rows) + 1) == size:
                return int(columns.min()), int(rows.min())
            time.sleep(0.2)
        return None

    def drags(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.does("mousemove", *start, "sleep", "0.1", "mousedown", "1")
        middle = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
        self.does("mousemove", *middle, "sleep", "0.1", "mousemove", *end, "sleep", "0.1")
        self.does("mouseup", "1")


@contextmanager
def picking(
    hand: Hand, folder: Path, color: tuple[int, int, int], size: tuple[int, int]
) -> Iterator[tuple["subprocess.Popen[str]", tuple[int, int]]]:
    """The window over `wide.png`, and where its image lies. On a busy machine a window sometimes comes
    up on this bare screen without what is in it: then another is opened.
    """
    annotate = [sys.executable, "-m", "vipllava_cli", "annotate", "wide.png", "--point", "red:5,5"]
    for _ in range(5):
        with subprocess.Popen(
            [*annotate, "--pick", "-o", "picked.png", "-q"],
            cwd=folder,
            env={**hand.environment, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as window:
            try:
                place = hand.finds(color, size)
                if place:
                    yield window, place
                    return
            finally:
                window.kill()  # leaving the block waits for it
    raise AssertionError("no window has the image in it")


def test_boxes_that_are_dragged_come_out_as_flags(display: str, run: Run, tmp_path: Path) -> None:
    """The image is wider than the window: what is dragged is scaled back to its pixels."""
    color = (10, 200, 150)
    Image.new("RGB", (2800, 1400), color).save(tmp_path / "wide.png")
    hand = Hand(display)
    with picking(hand, tmp_path, color, (1400, 700)) as (window, (left, top)):
        for start, end in (((100, 200), (300, 400)), ((500, 350), (450, 250))):
            hand.drags((left + start[0], top + start[1]), (left + end[0], top + end[1]))
            hand.does("key", "space")
            time.sleep(0.3)
        hand.does("key", "Escape")
        stdout, stderr = window.communicate(timeout=60)
    assert (window.returncode, stderr) == (0, "")
    flags = stdout.split()
    assert flags[::2] == ["--box", "--box"]
    colors, places = zip(*(flag.split(":") for flag in flags[1::2]), strict=True)
    assert colors == ("lime", "blue")
    found = np.array([[float(value) for value in place.split(",")] for place in places])
    assert np.abs(found - [[200, 400, 600, 800], [900, 500, 1000, 700]]).max() <= 4
    again = ["annotate", tmp_path / "wide.png", "--point", "red:5,5", *flags]
    assert run(*again, "-o", tmp_path / "pasted.png").code == 0
    with Image.open(tmp_path / "picked.png") as one, Image.open(tmp_path / "pasted.png") as other:
        assert one.tobytes() == other.tobytes()
