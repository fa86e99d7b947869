"""The outputs of `ask` that cannot work: one error line before the model loads, and no file."""

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.support.commands import BOX, assert_error_line
from vipllava_cli.errors import ExitCode


@pytest.fixture(autouse=True)
def _no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every error comes before the model."""

    def fail(*given: object, **options: object) -> None:
        raise AssertionError("the model was opened")

    monkeypatch.setattr("vipllava_cli.cli.model_loading.open_engine", fail)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--show"], ExitCode.USAGE, "--show needs a terminal; use --save-marked FILE"),
        (["--save-marked", "-"], ExitCode.USAGE, "would mix the image with the answers"),
        (["--save-marked", "out.txt"], ExitCode.USAGE, "no image suffix"),
        (["--save-marked", "none/out.png"], ExitCode.INPUT, "there is no folder none"),
        (["--save-marked", "kept.png"], ExitCode.INPUT, "--force overwrites it"),
        (["--save-marked", "grey.png", "--force"], ExitCode.INPUT, "would lose it"),
        (["-o", "kept.txt"], ExitCode.INPUT, "--force overwrites it"),
        (["-o", "none/out.txt"], ExitCode.INPUT, "there is no folder none"),
        (["-o", "marks.json", "--force"], ExitCode.INPUT, "would lose it"),
        (["-o", "out.png"], ExitCode.USAGE, "would hold text, not an image"),
        (["-o", "out.gif", "--force"], ExitCode.USAGE, "--save-marked FILE"),
    ],
)
def test_an_output_that_cannot_work_is_one_error_line(
    run: Run,
    image: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(image.parent)
    Path("marks.json").write_text("[]")
    for name in ("kept.png", "kept.txt"):
        Path(name).write_text("precious")
    before = sorted(os.listdir())
    arguments = ["grey.png", "what is it?", "--box", BOX, "--marks", "marks.json"]
    assert_error_line(run("ask", *arguments, *options), code, message)
    assert sorted(os.listdir()) == before
    assert Path("kept.txt").read_text() == Path("kept.png").read_text() == "precious"
    assert Path("marks.json").read_text() == "[]"


@pytest.mark.skipif(sys.platform == "win32", reason="these files are POSIX's")
def test_a_pipe_or_a_device_is_not_replaced(run: Run, image: Path) -> None:
    pipe = image.parent / "pipe"
    os.mkfifo(pipe)
    for name in (pipe, Path(os.devnull)):
        result = run("ask", image, "what is it?", "-o", name, "--force")
        assert_error_line(result, ExitCode.INPUT, "is a pipe or a device")
        assert not name.is_file()
