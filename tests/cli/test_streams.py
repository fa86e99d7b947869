"""Closed streams, interrupts during the start, and control characters in messages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Finished, Run
from tests.support.commands import QUESTION, assert_error_line
from tests.support.comparisons import write_answers
from vipllava_cli.errors import ExitCode

pytestmark = pytest.mark.slow


@pytest.mark.skipif(sys.platform == "win32", reason="the shell is POSIX's")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("annotate grey.png -o out.png -q >&-", ExitCode.DONE, ""),
        ("annotate grey.png -o out.png <&- 2>&-", ExitCode.DONE, ""),
        ("annotate grey.png -o out.png <&- >&- 2>&-", ExitCode.DONE, ""),
        ("annotate - -o out.png <&-", ExitCode.INPUT, "standard input cannot be read"),
        ("batch - --out out.jsonl --model tiny <&-", ExitCode.INPUT, "cannot read standard input"),
        ("chat grey.png --model tiny <&-", ExitCode.INPUT, "standard input cannot be read"),
        ("report - -o out.html <&-", ExitCode.INPUT, "standard input cannot be read"),
        ("annotate grey.png -o - >&-", ExitCode.INPUT, "the output cannot be written"),
        ("--help >&-", ExitCode.INPUT, "the output cannot be written"),
        ("annotate none.png -o out.png 2>&-", ExitCode.INPUT, ""),
    ],
)
def test_a_closed_stream_is_an_error_only_if_it_is_needed(
    image: Path, arguments: str, code: int, message: str
) -> None:
    ended = subprocess.run(
        f"'{sys.executable}' -m vipllava_cli {arguments}",
        shell=True,
        cwd=image.parent,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    if message:
        assert_error_line(Finished(ended.returncode, ended.stdout, ended.stderr), code, message)
    assert (ended.returncode, ended.stdout, bool(ended.stderr)) == (code, "", bool(message))
    assert (image.parent / "out.png").exists() == (code == ExitCode.DONE)


def test_a_character_that_stdout_cannot_encode_is_escaped(image: Path) -> None:
    file = write_answers(image.parent, "a.jsonl", ["\u732b"])
    ended = subprocess.run(
        [sys.executable, "-m", "vipllava_cli", "compare", file],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == ExitCode.DONE, ended.stderr
    assert "0.0\\u20130.0" in ended.stdout
    assert "\\u732b" in ended.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="the signal is POSIX's")
@pytest.mark.parametrize("module", ["vipllava_cli.cli.app", "vipllava_cli.cli.options", "cv2"])
def test_ctrl_c_while_the_program_imports_its_modules_prints_nothing(
    image: Path, module: str
) -> None:
    """Send the interrupt during the import of a module, early and late in the start."""
    program = (
        "import signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # the parent may ignore it
        "class Interrupts:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from vipllava_cli.__main__ import main\n"
        "main()\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, "annotate", str(image), "-o", f"{image}.png"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (ExitCode.INTERRUPTED, "", "")


def test_control_characters_in_a_name_do_not_reach_the_terminal(run: Run) -> None:
    result = run("ask", "evil\x1b]0;owned\x07.png", QUESTION)
    assert_error_line(result, ExitCode.INPUT, r"\x1b]0;owned\x07")
    assert "\x1b" not in result.stderr
