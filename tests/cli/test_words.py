"""Mistakes that Typer misreads: a missing value, `-model`, spaces between coordinates."""

import pytest

from tests.conftest import Run
from tests.support.commands import assert_error_line
from vipllava_cli.errors import ExitCode

ASK = ("ask", "a.png", "what?")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--box"], "--box needs a value: --box X1,Y1,X2,Y2"),
        (["--box", "--zoom"], "--box needs a value: --box X1,Y1,X2,Y2"),
        (["--device"], "--device needs a value: --device auto|"),
        (["-m", "-q"], "-m needs a value: -m NAME"),
        (["-qm"], "-m needs a value: -m NAME"),
        (["--model="], "the value of --model is empty: expected --model NAME"),
        (["--model", ""], "the value of --model is empty: expected --model NAME"),
        (["-m="], "the value of -m is empty: expected -m NAME"),
        (["-model", "7b"], "unknown option -model: write --model, with two hyphens"),
        (["-box=1,2,3,4"], "unknown option -box: write --box, with two hyphens"),
        (["\u2014model", "7b"], "unknown option \u2014model: write --model, with two hyphens"),
        (["--box", "1", "2", "30", "40"], "--box takes one value, without spaces: --box 1,2,30,40"),
        (["--point", "1,", "2"], "--point takes one value, without spaces: --point 1,2"),
        (["--json=yes"], "--json takes no value: write --json alone"),
    ],
)
def test_a_mistake_is_explained(run: Run, words: list[str], message: str) -> None:
    result = run(*ASK, *words)
    assert_error_line(result, ExitCode.USAGE, message)


@pytest.mark.parametrize(
    "words",
    [
        ["--box", "-5,-10,20,30"],
        ["--box=-5,-10,20,30"],
        ["--width", "5"],
        ["-qv"],
        ["-m=tiny"],
        ["-mtiny"],
        ["-qm", "tiny"],
        ["--", "--box"],
    ],
)
def test_a_correct_command_line_is_accepted(run: Run, words: list[str]) -> None:
    """The image does not exist: the words before it were accepted."""
    assert_error_line(run(*ASK, *words), ExitCode.INPUT, "a.png")


def test_a_value_may_be_an_option_after_an_equals_sign(run: Run) -> None:
    assert_error_line(run(*ASK, "--choices=-q"), ExitCode.USAGE, "choices are two or more")
