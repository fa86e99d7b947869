"""`--pick`: boxes dragged in a window on a virtual screen."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab

from tests.conftest import ROOT, Run
from tests.support.browser import skip_unless_required

pytestmark = pytest.mark.browser


@pytest.fixture
def display() -> Iterator[str]:
    """Start a virtual screen of 1600x1200 pixels. Yields its name."""
    if not all(map(shutil.which, ("Xvfb", "xdotool"))):
        skip_unless_required("Xvfb and xdotool are not installed")
    reader, writer = os.pipe()
    server = subprocess.Popen(
        # Without -noreset, the server restarts when its last client leaves and refuses new ones.
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
    """The mouse and the keyboard of a display."""

    def __init__(self, display: str) -> None:
        self.environment = {**os.environ, "DISPLAY": display}

    def run(self, *words: str | int) -> None:
        """Run a command of xdotool."""
        subprocess.run(["xdotool", *map(str, words)], env=self.environment, check=True)

    def find(
        self, color: tuple[int, int, int], size: tuple[int, int], seconds: float = 10
    ) -> tuple[int, int] | None:
        """Wait for an area of one colour and this size. Returns its left and top, in pixels."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            screen = np.asarray(ImageGrab.grab(xdisplay=self.environment["DISPLAY"]))
            rows, columns = (screen == color).all(axis=2).nonzero()
            if len(rows) and (np.ptp(columns) + 1, np.ptp(rows) + 1) == size:
                return int(columns.min()), int(rows.min())
            time.sleep(0.2)
        return None

    def drag(self, start: tuple[int, int], end: tuple[int, int]) -> None:
        self.run("mousemove", *start, "sleep", "0.1", "mousedown", "1")
        middle = ((start[0] + end[0]) // 2, (start[1] + end[1]) // 2)
        self.run("mousemove", *middle, "sleep", "0.1", "mousemove", *end, "sleep", "0.1")
        self.run("mouseup", "1")


@contextmanager
def picking(
    hand: Hand, folder: Path, color: tuple[int, int, int], size: tuple[int, int]
) -> Iterator[tuple["subprocess.Popen[str]", tuple[int, int]]]:
    """Open the window with `wide.png`. Yields the process, and the left and top of the image.

    On a busy machine the window sometimes stays empty: then open another one.
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
                place = hand.find(color, size)
                if place:
                    yield window, place
                    return
            finally:
                window.kill()  # leaving the block waits for it
    raise AssertionError("no window has the image in it")


def test_dragged_boxes_are_printed_as_options(display: str, run: Run, tmp_path: Path) -> None:
    """The image is wider than the window, so that the boxes are scaled to its pixels."""
    color = (10, 200, 150)
    Image.new("RGB", (2800, 1400), color).save(tmp_path / "wide.png")
    hand = Hand(display)
    with picking(hand, tmp_path, color, (1400, 700)) as (window, (left, top)):
        for start, end in (((100, 200), (300, 400)), ((500, 350), (450, 250))):
            hand.drag((left + start[0], top + start[1]), (left + end[0], top + end[1]))
            hand.run("key", "space")
            time.sleep(0.3)
        hand.run("key", "Escape")
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
