"""The picker's window on a virtual screen, with a real mouse and real keys."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Finished, Run
from tests.support.desktop import RGB, Area, Desktop, open_desktop
from tests.support.terminal import Terminal
from vipllava_cli.cli.picker.gestures import PICKED_SHAPES
from vipllava_cli.errors import ExitCode

pytestmark = pytest.mark.browser

COLOR: RGB = (10, 200, 150)
OTHER: RGB = (200, 150, 10)
LIME: RGB = (0, 255, 0)
CANCELLED = "cancelled: no file is written and no question asked\n"


@pytest.fixture(scope="module")
def desktop() -> Iterator[Desktop]:
    with open_desktop(1600, 1200) as desktop:
        yield desktop


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    """An image that is wider than the screen."""
    path = tmp_path / "wide.png"
    Image.new("RGB", (2800, 1400), COLOR).save(path)
    return path


class Picking:
    """A command with its window open, and the place of the image on the screen."""

    def __init__(self, process: "subprocess.Popen[str]", image: Area) -> None:
        self.process = process
        self.image = image

    def end(self) -> Finished:
        """Wait for the end of the command."""
        stdout, stderr = self.process.communicate(timeout=60)
        return Finished(self.process.returncode, stdout, stderr)


@contextmanager
def picking(desktop: Desktop, folder: Path, *words: str, color: RGB = COLOR) -> Iterator[Picking]:
    """Run the command in this folder, and wait until its window shows an image of this colour.

    On a busy machine the window sometimes stays empty: then open another one.
    """
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-m", "vipllava_cli", *words],
            cwd=folder,
            env=desktop.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                image = desktop.find(color)
                if image:
                    yield Picking(process, image)
                    return
            finally:
                process.kill()  # leaving the block waits for it
    raise AssertionError("no window has the image in it")


def wait_for_end(desktop: Desktop) -> None:
    """Wait until no window is open."""
    deadline = time.monotonic() + 10
    while desktop.window():
        assert time.monotonic() < deadline, "the window is still open"
        time.sleep(0.1)


# --- marks -----------------------------------------------------------------------------------


def test_marks_of_every_shape_are_printed_as_options_that_draw_the_same(
    desktop: Desktop, run: Run, wide: Path
) -> None:
    folder = wide.parent
    given = ("--point", "red:5,5", "--numbers", "--width", "4")
    with picking(
        desktop, folder, "annotate", wide.name, *given, "--pick", "-o", "picked.png", "-q"
    ) as window:
        at = window.image.at
        desktop.drag(at(0.1, 0.2), at(0.2, 0.3), at(0.3, 0.4))
        desktop.press("e")
        desktop.drag(at(0.9, 0.9), at(0.8, 0.8), at(0.7, 0.7))
        desktop.press("a")
        desktop.drag(at(0.5, 0.1), at(0.55, 0.2), at(0.6, 0.3))
        desktop.press("p")
        desktop.click(at(0.5, 0.5))
        desktop.press("t")
        for corner in ((0.1, 0.6), (0.2, 0.6), (0.15, 0.8)):
            desktop.click(at(*corner))
        for key in "smc":
            left = {"s": 0.3, "m": 0.4, "c": 0.5}[key]
            desktop.press(key)
            corners = ((0, 0.6), (0.08, 0.6), (0.08, 0.8), (0, 0.8))
            desktop.drag(*(at(left + across, down) for across, down in corners))
        desktop.press("Return")
        ended = window.end()
    assert (ended.code, ended.stderr) == (0, "")
    flags = ended.stdout.split()
    assert flags[::2] == [f"--{shape}" for shape in PICKED_SHAPES]
    values = map(float, flags[1].removeprefix("lime:").split(","))
    expected = (0.1 * 2800, 0.2 * 1400, 0.3 * 2800, 0.4 * 1400)
    assert max(abs(value - wanted) for value, wanted in zip(values, expected, strict=True)) <= 4
    assert run("annotate", wide, *given, *flags, "-o", folder / "pasted.png").code == 0
    with Image.open(folder / "picked.png") as one, Image.open(folder / "pasted.png") as other:
        assert one.tobytes() == other.tobytes()


def test_the_mark_under_the_mouse_and_kept_marks_are_seen_in_their_colours(
    desktop: Desktop, wide: Path
) -> None:
    with picking(desktop, wide.parent, "annotate", wide.name, "--point", "red:5,5", "--pick") as (
        window
    ):
        start, end = window.image.at(0.2, 0.2), window.image.at(0.6, 0.7)
        desktop.xdotool("mousemove", *start, "mousedown", 1, "sleep", "0.2", "mousemove", *end)
        middle = ((start[0] + end[0]) // 2, start[1])
        deadline = time.monotonic() + 10
        while tuple(desktop.pixels()[middle[1], middle[0]]) != LIME:
            assert time.monotonic() < deadline, "the box is not seen while it is dragged"
        desktop.xdotool("mouseup", 1)
        time.sleep(0.5)
        assert tuple(desktop.pixels()[middle[1], middle[0]]) == LIME
        desktop.press("BackSpace")
        time.sleep(0.5)
        assert tuple(desktop.pixels()[middle[1], middle[0]]) == COLOR
        desktop.press("Return")
        ended = window.end()
    assert (ended.code, ended.stdout) == (0, "")


def test_a_drag_that_leaves_the_window_ends_at_the_edge_of_the_image(
    desktop: Desktop, wide: Path
) -> None:
    with picking(desktop, wide.parent, "annotate", wide.name, "--pick") as window:
        desktop.drag(window.image.at(0.5, 0.5), (1500, 800), (1599, 1199))
        desktop.press("Return")
        ended = window.end()
    left, top, right, bottom = map(float, ended.stdout.removeprefix("--box red:").split(","))
    assert (right, bottom) == (2800, 1400)
    assert abs(left - 1400) <= 4
    assert abs(top - 700) <= 4


def test_the_mouse_wheel_does_not_disturb_a_drag(desktop: Desktop, wide: Path) -> None:
    """Qt zooms with the wheel, and moves the zoomed image when the user drags."""
    with picking(desktop, wide.parent, "annotate", wide.name, "--pick") as window:
        for button in (4, 4, 5, 4):
            desktop.click(window.image.at(0.5, 0.5), button)
        time.sleep(0.5)
        image = desktop.find(COLOR)
        assert image is not None
        assert image[2:] == window.image[2:]
        desktop.drag(image.at(0.2, 0.2), image.at(0.3, 0.3), image.at(0.4, 0.4))
        desktop.press("Return")
        ended = window.end()
    values = map(float, ended.stdout.removeprefix("--box red:").split(","))
    expected = (560, 280, 1120, 560)
    assert max(abs(value - wanted) for value, wanted in zip(values, expected, strict=True)) <= 4


SHOW = """
import sys, cv2, numpy
from vipllava_cli.cli.picker.x11 import is_blank
cv2.namedWindow("vipllava", cv2.WINDOW_GUI_NORMAL)
for value in map(int, sys.argv[1:]):
    for _ in range(40):
        cv2.imshow("vipllava", numpy.full((300, 400, 3), value, numpy.uint8))
        cv2.waitKey(50)
        if is_blank("vipllava", 200, 150) == (value == 0):
            break
    print(is_blank("vipllava", 200, 150))
"""


def test_a_window_without_a_drawing_is_noticed(desktop: Desktop) -> None:
    command = [sys.executable, "-c", SHOW, "0", "90", "0"]
    for _ in range(3):  # on a busy machine the window sometimes stays empty: that is the fault
        shown = subprocess.run(
            command, env=desktop.environment, capture_output=True, text=True, check=True
        ).stdout.split()
        assert shown[::2] == ["True", "True"]
        if shown[1] == "False":
            return
    raise AssertionError("a drawing counts as none")


# --- the end ---------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["Escape", "close", "destroy"])
def test_escape_and_closing_the_window_cancel_and_write_nothing(
    desktop: Desktop, wide: Path, how: str
) -> None:
    with picking(
        desktop, wide.parent, "annotate", wide.name, "--pick", "-o", "picked.png"
    ) as window:
        desktop.drag(window.image.at(0.2, 0.2), window.image.at(0.4, 0.4))
        if how == "close":
            desktop.close_window()
        elif how == "destroy":
            desktop.destroy_window()
        else:
            desktop.press(how)
        ended = window.end()
    assert ended == Finished(ExitCode.INTERRUPTED, "", CANCELLED)
    assert not (wide.parent / "picked.png").exists()
    assert desktop.window() is None


@pytest.mark.terminal
def test_ctrl_c_in_the_terminal_ends_the_window(desktop: Desktop, wide: Path) -> None:
    words = ("-m", "vipllava_cli", "annotate", wide.name, "--pick", "-o", "picked.png")
    with Terminal(*words, env=desktop.environment, folder=wide.parent) as terminal:
        image = desktop.find(COLOR)
        assert image is not None
        desktop.drag(image.at(0.2, 0.2), image.at(0.4, 0.4))
        terminal.type("\x03")
        assert terminal.wait(10) == ExitCode.INTERRUPTED
        assert terminal.shown().strip() == "^C"
    assert not (wide.parent / "picked.png").exists()
    assert desktop.window() is None


# --- the screen ------------------------------------------------------------------------------


@pytest.mark.parametrize("screen", [(800, 600), (1920, 1080)])
@pytest.mark.parametrize("image", [(4000, 3000), (20000, 40), (30, 9000), (24, 18)])
def test_the_window_never_exceeds_the_screen(
    tmp_path: Path, screen: tuple[int, int], image: tuple[int, int]
) -> None:
    Image.new("RGB", image, COLOR).save(tmp_path / "image.png")
    with (
        open_desktop(*screen) as desktop,
        picking(desktop, tmp_path, "annotate", "image.png", "--pick") as window,
    ):
        place = desktop.window()
        assert place is not None
        assert place.left + place.width <= screen[0]
        assert place.top + place.height < screen[1]
        assert place.width >= 600
        corners = window.image.at(0, 0), window.image.at(1, 1)
        desktop.drag(*corners)
        desktop.press("Return")
        assert window.end().stdout == f"--box red:0,0,{image[0]},{image[1]}\n"


# --- batch -----------------------------------------------------------------------------------


@pytest.mark.model
def test_a_killed_batch_keeps_what_was_accepted_and_resumes_with_the_next_image(
    desktop: Desktop, tmp_path: Path
) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name, color in (("a", COLOR), ("b", OTHER)):
        Image.new("RGB", (640, 480), color).save(folder / f"{name}.png")
    words = ("batch", "images", "--pick", "--out", "results.jsonl")
    with picking(desktop, tmp_path, *words) as window:
        desktop.drag(window.image.at(0.2, 0.2), window.image.at(0.4, 0.4))
        desktop.press("Return")
        second = desktop.find(OTHER)
        assert second is not None
        desktop.drag(second.at(0.2, 0.2), second.at(0.4, 0.4))
        os.kill(window.process.pid, signal.SIGKILL)
        window.end()
    wait_for_end(desktop)
    with picking(desktop, tmp_path, *words, color=OTHER) as window:
        desktop.press("e")
        desktop.drag(window.image.at(0.5, 0.5), window.image.at(0.9, 0.9))
        desktop.press("Return")
        ended = window.end()
    assert ended.code == 0, ended.stderr
    assert "2 marked images in results.marks.jsonl" in ended.stderr
    records = [json.loads(line) for line in (tmp_path / "results.jsonl").read_text().splitlines()]
    assert [(record["id"], record["marks"][0]["shape"]) for record in records] == [
        ("a.png", "box"), ("b.png", "ellipse")
    ]  # fmt: skip
    assert [record["image"] for record in records] == ["images/a.png", "images/b.png"]


# --- ask -------------------------------------------------------------------------------------


@pytest.mark.model
def test_ask_prints_the_marks_beside_the_answer(desktop: Desktop, tmp_path: Path) -> None:
    Image.new("RGB", (640, 480), COLOR).save(tmp_path / "a.png")
    words = ("ask", "a.png", "what is {1}?", "--pick", "--json", "--model", "tiny")
    with picking(desktop, tmp_path, *words) as window:
        desktop.drag(window.image.at(0.25, 0.25), window.image.at(0.5, 0.5))
        desktop.press("Return")
        ended = window.end()
    assert ended.code == 0, ended.stderr
    record = json.loads(ended.stdout)
    coords = ",".join(map(str, record["marks"][0]["coords"]))
    assert ended.stderr.startswith(f"note: marks drawn: --box red:{coords}\n")
    assert record["question"] == "what is the object within the red rectangle?"


# --- chat ------------------------------------------------------------------------------------


@pytest.mark.model
@pytest.mark.terminal
def test_a_chat_opens_the_window_again_and_goes_on_after_ctrl_c(
    desktop: Desktop, tmp_path: Path
) -> None:
    Image.new("RGB", (640, 480), COLOR).save(tmp_path / "a.png")
    words = ("-m", "vipllava_cli", "chat", "a.png", "--model", "tiny", "--no-history")
    with Terminal(*words, env=desktop.environment, folder=tmp_path) as terminal:
        terminal.prompt()
        for end in ("close", "ctrl-c"):
            terminal.type("/pick\r")
            assert desktop.find(COLOR) is not None
            if end == "close":
                desktop.close_window()
            else:
                terminal.type("\x03")
            assert "cancelled: no mark added" in terminal.prompt()
            wait_for_end(desktop)
        terminal.type("/pick\r")
        image = desktop.find(COLOR)
        assert image is not None, terminal.listen(0.1)
        desktop.drag(image.at(0.25, 0.25), image.at(0.5, 0.5))
        desktop.press("Return")
        assert "1 box red:" in terminal.prompt()
        terminal.type("/exit\r")
        assert terminal.wait() == 0
