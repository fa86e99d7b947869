"""Wrong usage: one error line, and the exit code of wrong usage."""

import sys
from pathlib import Path

import pytest

from tests.conftest import SAMPLES, Run
from tests.support.commands import BOX, QUESTION, assert_error_line
from vipllava_cli.errors import ExitCode


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "empty"),
        ("what is {3}?", "only 2"),
    ],
)
def test_an_unusable_question_is_one_error_line(
    run: Run, image: Path, question: str, message: str
) -> None:
    result = run("ask", image, question, "--box", BOX, "--arrow", BOX)
    assert_error_line(result, ExitCode.USAGE, message)


def test_ask_refuses_a_second_image(run: Run) -> None:
    result = run("ask", SAMPLES / "garden.png", SAMPLES / "farm.png", QUESTION)
    assert_error_line(result, ExitCode.USAGE, "vipllava batch")


def test_annotate_needs_an_output(run: Run, image: Path) -> None:
    assert_error_line(run("annotate", image, "--box", BOX), ExitCode.USAGE, "-o FILE")


def test_show_needs_a_terminal(run: Run, image: Path) -> None:
    assert_error_line(run("annotate", image, "--show"), ExitCode.USAGE, "terminal")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems always have a display")
def test_pick_needs_a_display(run: Run, image: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert_error_line(run("annotate", image, "--pick"), ExitCode.USAGE, "no display")


def test_debug_prints_a_traceback(run: Run) -> None:
    result = run("ask", "missing.png", QUESTION, "--debug")
    assert result.code == ExitCode.INPUT
    assert "Traceback" in result.stderr
