"""Line input from a pipe, and from a terminal with `--plain`."""

import io
import sys

import pytest

from vipllava_cli.cli.repl.plain_input import (
    PipeInput,
    PlainInput,
    TypedLine,
    is_closed,
    strip_quotes,
)


def give_stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_a_pipe_gives_a_line_at_a_time_and_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    give_stdin(monkeypatch, b"one?\r\ntwo \xff?")
    lines = PipeInput()
    assert lines.read() == "one?"
    assert lines.read() == "two \udcff?"
    with pytest.raises(EOFError):
        lines.read()
    assert lines.confirm("really?")


def test_a_file_of_questions_may_start_with_a_byte_order_mark(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    give_stdin(monkeypatch, b"\xef\xbb\xbf/marks\r\n")
    assert PipeInput().read() == "/marks"


def test_three_quotes_enclose_several_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(monkeypatch, b'one?\n"""two\nthree"""\nn\n')
    lines = PlainInput()
    assert lines.read() == "one?"
    assert lines.read() == "two\nthree"
    assert not lines.confirm("really\x1b?")
    assert capsys.readouterr().err == "> > really\\x1b? [Y/n] "


def test_another_line_than_yes_or_no_does_not_confirm(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    give_stdin(monkeypatch, b"what is this?\nNo\nnot this one?\n\n")
    lines = PlainInput()
    assert not lines.confirm("open?")
    assert lines.confirm("open?")
    assert capsys.readouterr().err == "open? [Y/n] " * 4


@pytest.mark.parametrize(
    ("text", "closed", "stripped"),
    [
        ("what?", True, "what?"),
        ('"""what?', False, '"""what?'),
        ('"""', False, '"""'),
        ('"""one\ntwo """ ', True, "one\ntwo"),
        ('say """', True, 'say """'),
    ],
)
def test_quotes_count_at_the_start_of_a_text_only(text: str, closed: bool, stripped: str) -> None:
    assert is_closed(text) is closed
    assert strip_quotes(text) == stripped


@pytest.mark.parametrize(
    ("keys", "text", "screen"),
    [
        ("wat\x7f\x08hat", "what", "wat\b \b\b \bhat"),
        ("\x7fa", "a", "a"),
        ("a象\x7f", "a", "a象\b \b\b \b"),
        ("one two\x17", "one ", "one two\b \b\b \b\b \b"),
        ("ab\x15c", "c", "ab\b \b\b \bc"),
        ("a\x04", "a", "a"),
        ("\x1b\x7f", "", "\\x1b\b \b\b \b\b \b\b \b"),
    ],
)
def test_a_line_that_was_typed_ahead_is_edited_like_any_other(
    keys: str, text: str, screen: str
) -> None:
    line = TypedLine()
    assert "".join(map(line.press, keys)) == screen
    assert line.text == text
