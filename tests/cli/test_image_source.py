"""Images as the user names them: similar names, frames, and the same names in every subcommand."""

from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.commands import assert_error_line
from tests.support.images import animation, frame_grey, has_center_color
from vipllava_cli.errors import ExitCode


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is the home folder, and holds an animation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    Path("moving.gif").write_bytes(animation())


def test_a_similar_name_is_in_the_same_folder(run: Run) -> None:
    Path("photos").mkdir()
    Image.new("RGB", (40, 20)).save("photos/cat.png")
    result = run("annotate", "photos/catt.png", "-o", "out.png")
    assert_error_line(result, ExitCode.INPUT, "did you mean photos/cat.png?")
    result = run("annotate", "clipboard", "-o", "out.png")
    assert_error_line(result, ExitCode.INPUT, "did you mean clipboard:?")


def test_a_note_says_which_frame_was_taken(run: Run) -> None:
    note = "note: moving.gif: frame 1 of 3; --frame N chooses another\n"
    result = run("annotate", "moving.gif", "-o", "first.png")
    assert result.stderr.startswith(note)
    for name, options in (("moving.gif", ["--frame", "1"]), ("moving.gif#frame=2", [])):
        assert note not in run("annotate", name, *options, "-o", "other.png", "--force").stderr


def test_a_frame_is_chosen_by_the_option_or_by_the_name(run: Run) -> None:
    for arguments in (["moving.gif", "--frame", "3"], ["file:moving.gif", "--frame", "3"],
                      ["moving.gif#frame=3"], ["~/moving.gif#frame=3"]):  # fmt: skip
        arguments[0] = arguments[0].replace("file:", f"file://{Path.cwd()}/")
        assert run("annotate", *arguments, "-o", "third.png", "--force").code == 0
        with Image.open("third.png") as third:
            assert has_center_color(third, (frame_grey(2),) * 3)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["moving.gif", "--frame", "4"], ExitCode.INPUT, "has 3 frames, and no frame 4"),
        (["moving.gif", "--frame", "0"], ExitCode.USAGE, "--frame"),
        (["moving.gif#frame=2", "--frame", "3"], ExitCode.USAGE, "choose two frames"),
        (["moving.gif#frame=0"], ExitCode.INPUT, "frames count from 1"),
    ],
)
def test_a_frame_that_cannot_be_taken_is_one_error_line(
    run: Run, arguments: list[str], code: int, message: str
) -> None:
    assert_error_line(run("annotate", *arguments, "-o", "out.png"), code, message)
    assert_error_line(run("ask", arguments[0], "what?", *arguments[1:]), code, message)
    if code == ExitCode.INPUT:
        assert message in run("chat", *arguments, stdin=b"what?\n").stderr


def test_an_input_named_by_another_form_of_its_path_is_never_overwritten(run: Run) -> None:
    Image.new("RGB", (40, 20)).save("cat.png")
    before = Path("cat.png").read_bytes()
    for name in ("~/cat.png", f"file://{Path.cwd()}/cat.png", "cat.png#frame=1"):
        result = run("annotate", name, "-o", "cat.png", "--force")
        assert_error_line(result, ExitCode.INPUT, "would lose it")
        result = run("ask", name, "what?", "--save-marked", "cat.png", "--force")
        assert_error_line(result, ExitCode.INPUT, "would lose it")
    result = run("annotate", "moving.gif", "--mask", "blue:~/cat.png", "-o", "cat.png", "--force")
    assert_error_line(result, ExitCode.INPUT, "would lose it")
    assert Path("cat.png").read_bytes() == before


def test_a_mask_image_may_be_in_the_home_folder(run: Run) -> None:
    Image.new("L", (40, 20), 255).save("mask.png")
    result = run("annotate", "moving.gif", "--mask", "blue:~/mask.png", "-o", "out.png")
    assert (result.code, "1 mark" in result.stderr) == (0, True)
