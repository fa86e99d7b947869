"""Messages: prefixes, `-q` and `-v`, and control characters."""

import io

import pytest
from rich.console import Console

from vipllava_cli.cli.terminal.escapes import safe
from vipllava_cli.cli.terminal.messages import Messages, one_line, print_answer, print_choices


def printed(*, quiet: bool = False, verbose: bool = False) -> str:
    """Print one message of each kind."""
    output = io.StringIO()
    messages = Messages(quiet, verbose, Console(file=output, width=80))
    messages.note("a\nnote")
    messages.warning("a warning \x1b[31m")
    messages.error("an error")
    messages.say("progress")
    messages.detail("a detail")
    messages.tell("a text\nof two lines")
    return output.getvalue()


def test_each_kind_has_its_prefix_and_one_line() -> None:
    assert printed().splitlines() == [
        "note: a note", "warning: a warning \\x1b[31m", "error: an error", "progress",
        "a text", "of two lines",
    ]  # fmt: skip


def test_quiet_keeps_errors_and_verbose_adds_details() -> None:
    assert printed(quiet=True).splitlines() == ["error: an error", "a text", "of two lines"]
    assert "a detail" in printed(verbose=True)


def test_control_characters_are_escaped() -> None:
    assert safe("a\x1b[0m\x07\u202e\tb\n") == "a\\x1b[0m\\x07\\u202e\tb\n"
    assert safe("\ud800") == "?"
    assert one_line(" a\n b\r") == "a b\\x0d"


def test_an_answer_goes_to_stdout_and_choices_to_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_answer("two\nlines")
    print_answer("two\nlines", single_line=True)
    choices = [
        {"text": "cat", "log_likelihood": -2.0, "probability": 0.25},
        {"text": "dog", "log_likelihood": -1.0, "probability": 0.75},
    ]
    print_choices(choices, Messages())
    assert capsys.readouterr() == ("two\nlines\ntwo lines\n", "75.0% dog\n25.0% cat\n")
