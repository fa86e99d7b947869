"""Unusable marks: one error line, and the exit code of bad input."""

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.commands import BOX, QUESTION, assert_error_line
from vipllava_cli.errors import ExitCode


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--box", "300,10,400,90"], "outside the image: the image is 200x100"),
        (["--point", "200.0001,50"], "lies at 200.0001,50, outside the image"),
        (["--box", "10,10,10,90"], "has no area"),
        (["--box", "10,10,90"], "found 3 numbers"),
        (["--box", "10,nan,90,90"], "finite"),
        (["--box", "10,10,1e400,90"], "finite"),
        (["--ellipse", "-1e308,-1e308,1e308,1e308"], "too far outside"),
        (["--scribble", "0,0,150000000,150000000"], "too far outside"),
        (["--box", "blurple:10,10,90,90"], "unknown colour 'blurple'"),
        (["--box", "redd:10,10,90,90"], "did you mean red?"),
        (["--box", "10px,10px,90px,90px"], "write 10,10,90,90, without a unit, for pixels"),
        (["--box", BOX, "--alpha", "2"], "alpha"),
        (["--box", BOX, "--width", "-1"], "width"),
        (["--mask", "nowhere.png"], "there is no file nowhere.png"),
        (["--marks", "nowhere.json"], "cannot be read"),
        (
            ["--ellipse", "-300,-300,500,400"],
            "touches no pixel of the image: the image is 200x100",
        ),
        (["--triangle", "-400,-50,600,-50,100,900"], "touches no pixel"),
        (["--mask", "-50,-50,-10,-50,-10,300,300,300,300,340,-50,340"], "touches no pixel"),
    ],
)
def test_an_unusable_mark_is_one_error_line(
    run: Run, image: Path, flags: list[str], message: str
) -> None:
    assert_error_line(run("ask", image, QUESTION, *flags), ExitCode.INPUT, message)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("7", "contains no list"),
        ('[{"shape": "box", "coords": [1, 2]}]', "mark 1: a box is"),
    ],
)
def test_an_unusable_marks_file_is_one_error_line(
    run: Run, image: Path, tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "marks.json").write_text(text)
    result = run("ask", image, QUESTION, "--marks", tmp_path / "marks.json")
    assert_error_line(result, ExitCode.INPUT, message)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has these devices")
@pytest.mark.parametrize("device", ["/dev/full", "/dev/zero"])
def test_a_device_is_not_a_marks_file(run: Run, image: Path, device: str) -> None:
    result = run("ask", image, QUESTION, "--marks", device)
    assert_error_line(
        result, ExitCode.INPUT, f"the marks file {device} cannot be read: it is a device"
    )


def test_a_mask_of_another_size_or_without_a_region_is_refused(
    run: Run, image: Path, tmp_path: Path
) -> None:
    Image.new("L", (20, 20), 255).save(tmp_path / "mask.png")
    result = run("ask", image, QUESTION, "--mask", tmp_path / "mask.png")
    assert_error_line(result, ExitCode.INPUT, "20x20")
    Image.new("L", (200, 100), 0).save(tmp_path / "mask.png")
    result = run("ask", image, QUESTION, "--mask", tmp_path / "mask.png")
    assert_error_line(result, ExitCode.INPUT, "no bright region")
