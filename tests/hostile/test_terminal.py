"""Keys that attack the chat prompt, files that attack its history, and odd terminals."""

import fcntl
import os
import signal
import struct
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prompt_toolkit.key_binding import KeyPress
from prompt_toolkit.keys import Keys

from tests.conftest import SAMPLES, Run
from tests.support.chat_terminal import TIMEOUT, open_chat
from tests.support.devices import link_to_device
from tests.support.terminal import Terminal
from vipllava_cli.cli.repl.history import MAX_BYTES, MAX_ENTRIES, BoundedHistory
from vipllava_cli.cli.repl.key_parser import MAX_PASTE_LENGTH, BoundedParser, Paste
from vipllava_cli.cli.repl.path_completion import MAX_COMPLETIONS, complete_path
from vipllava_cli.cli.repl.plain_input import MAX_TYPED_LENGTH, TypedLine
from vipllava_cli.storage.folders import private_file
from vipllava_cli.storage.number_text import parse_number, parse_whole

GARDEN = str(SAMPLES / "garden.png")
LEAVE = "again to leave"
MAX_GROWTH = 100 << 20  # bytes of memory
ANSWER_SECONDS = 1.0  # for Ctrl-C on an idle machine
SLACK = 10.0  # of a busy machine


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def talk(home: Path) -> Iterator[Terminal]:
    """A chat that waits for a line."""
    with open_chat("tests.support.fake_chat", GARDEN, home=home) as terminal:
        terminal.prompt(TIMEOUT)
        yield terminal


def peak_bytes(talk: Terminal) -> int:
    status = Path(f"/proc/{talk.process}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if "VmHWM" in line)


def interrupt(talk: Terminal) -> None:
    """Press Ctrl-C, and expect an answer soon."""
    start = time.monotonic()
    talk.type("\x03")
    talk.until(LEAVE, TIMEOUT)
    assert time.monotonic() - start < ANSWER_SECONDS + SLACK


# --- keys at the prompt: bounded memory, and Ctrl-C is answered --------------------------------

KEYS: dict[str, str | bytes] = {
    "letters": "a" * 200_000,
    "words": "some words " * 20_000,
    "lines": "\x1b\r" * 3000,
    "combining": "e\u0301" * 20_000,
    "wide": "二つ" * 30_000,
    "many different": "".join(map(chr, range(0x4E00, 0x9E00))) * 3,
    "invalid UTF-8": b"\xff\xfe\x80" * 3000,
    "controls": "\x16\x01\x16\x02\x11\x1d" * 500,
    "bidi": "\u202e\u2066\u2028" * 2000,
    "sequence without an end": "\x1b[" + "1;" * 30_000,
    "mouse without an end": "\x1b[<" + "9" * 30_000,
    "many sequences": "".join(f"\x1b[{n};{n}m" for n in range(2000)),
    "title": "\x1b]0;" + "x" * 5000,
    "undo": "x" * 30_000 + "a\x02" * 300 + "\x1f" * 50,
    "paste without an end": "\x1b[200~" + "x" * 200_000,
    "lines without an end": "\x1b[200~one\rtwo\r/exit now\r",
    "paste in a paste": "\x1b[200~\x1b[200~x",
    "repeated paste": "\x1b999999\x19",
    "repeated letter": "\x1b999999x",
    "repeated deletion": "text\x1b999999\x17",
    "repeated undo": "text\x1b999999\x1f",
    "repeated history": "\x1b999999\x1b[A",
    "negative repeats": "text\x15\x1b-999999\x19",
    "digits without an end": "\x1b9" + "9" * 3000,
    "Alt-digits": "\x1b9\x1b9\x1b9\x1b9\x1b9\x1b9x",
    "doubled text": "text\x01\x0b" + "\x19\x19\x01\x0b" * 40,
    "macro in itself": "\x18(ab\x18e\x18)" + "\x18e" * 20,
    "macro without an end": "\x18(" + "ab" * 5000,
    "search": "\x12" + "x" * 5000 + "\x03",  # ends the search only
    "search without an end": "\x12\x12\x12\x03",
    "completion": "/\t\t\t",
    "quoted": "\x11\x11\x11\x11",
}


# A process for each attack would take most of the time. A new line starts after each.
GROUPS = [list(KEYS)[start::4] for start in range(4)]


@pytest.mark.terminal
@pytest.mark.slow
@pytest.mark.parametrize("names", GROUPS, ids="|".join)
def test_keys_are_bounded_and_ctrl_c_is_answered(talk: Terminal, names: list[str]) -> None:
    for name in names:
        before, start = peak_bytes(talk), time.monotonic()
        talk.type(KEYS[name])
        interrupt(talk)
        assert peak_bytes(talk) - before < MAX_GROWTH, name
        assert time.monotonic() - start < 20 + SLACK, name
        talk.type("\x15/stats\r")
        talk.until_true(lambda shown: ">" in shown.partition("tokens used")[2], "prompt", TIMEOUT)
    talk.type("/exit\r")
    assert talk.wait(TIMEOUT) == 0
    assert "a bug in vipllava" not in talk.shown()


@pytest.mark.terminal
@pytest.mark.slow
@pytest.mark.parametrize(
    "keys", ["\x1b[200~/exit\r", "\x1b[200~text /exit\r", "\x1b[200~a\rb\r/exit\r"]
)
def test_exit_leaves_a_paste_without_an_end(talk: Terminal, keys: str) -> None:
    talk.type(keys)
    assert talk.wait(TIMEOUT) == 0


@pytest.mark.terminal
@pytest.mark.slow
def test_a_paste_without_an_end_is_ignored_after_a_silence(talk: Terminal) -> None:
    talk.type("\x1b[200~text")
    talk.until("its end did not come", TIMEOUT)
    talk.type("/exit\r")
    assert talk.wait(TIMEOUT) == 0


@pytest.mark.terminal
@pytest.mark.slow
def test_a_huge_repeat_count_is_refused(talk: Terminal) -> None:
    talk.type("text\x15\x1b999999\x19")
    talk.until("expected a repeat count from 1 to 100", TIMEOUT)
    talk.type("\x1b3a\r")
    talk.until("> aaa", TIMEOUT)


@pytest.mark.terminal
@pytest.mark.slow
def test_a_full_line_says_so_once(talk: Terminal) -> None:
    talk.type("a" * 60_000)
    talk.until("at most 50000 characters", TIMEOUT)
    talk.type("b" * 5000)
    interrupt(talk)
    assert talk.shown().count("at most 50000 characters") == 1


# --- odd terminals ----------------------------------------------------------------------------


@pytest.mark.terminal
@pytest.mark.slow
def test_sizes_of_the_terminal(talk: Terminal) -> None:
    for rows, columns in [(1, 1), (0, 0), (24, 5000), (5000, 24), (65535, 65535), (24, 80)] * 3:
        fcntl.ioctl(talk.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.kill(talk.process, signal.SIGWINCH)
        talk.type("text ")
    interrupt(talk)
    talk.type("/exit\r")
    assert talk.wait(TIMEOUT) == 0


@pytest.mark.terminal
@pytest.mark.slow
@pytest.mark.parametrize("name", ["dumb", "", "unknown-terminal", "\x1b]0;x\x07", "x" * 5000])
def test_names_of_the_terminal(home: Path, name: str) -> None:
    with open_chat("tests.support.fake_chat", GARDEN, home=home, env={"TERM": name}) as talk:
        talk.until_true(lambda shown: ">" in shown.partition("no marks")[2], "prompt", TIMEOUT)
        talk.type("question?\r")
        talk.until_true(lambda shown: ">" in shown.partition(":1:0")[2], "prompt", TIMEOUT)
        talk.type("/exit\r")
        assert talk.wait(TIMEOUT) == 0
        assert b"\x1b]0;x" not in talk.received


@pytest.mark.terminal
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT])
def test_a_signal_in_a_paste_ends_the_chat(talk: Terminal, number: signal.Signals) -> None:
    talk.type("\x1b[200~text")
    talk.quiet(0.2)
    os.kill(talk.process, number)
    assert talk.wait(TIMEOUT) == 128 + number


@pytest.mark.terminal
@pytest.mark.slow
def test_long_chats_stay_flat(talk: Terminal) -> None:
    seconds, before = [], 0
    for number in range(300):
        start = time.monotonic()
        talk.type(f"question {number} about the image?\r")
        talk.prompt(TIMEOUT)
        seconds.append(time.monotonic() - start)
        before = before or peak_bytes(talk)
    assert peak_bytes(talk) - before < 50 << 20
    assert sorted(seconds[-50:])[25] < 5 * sorted(seconds[:50])[25] + 0.2


# --- files of the history ----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["fifo", "folder", "device", "link", "denied"])
def test_odd_history_files_are_tolerated(home: Path, kind: str) -> None:
    path = home / "history"
    home.mkdir()
    makers: dict[str, Callable[[], object]] = {
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "device": lambda: link_to_device(path),
        "link": lambda: path.symlink_to(path),
        "denied": lambda: path.symlink_to(home / "no" / "file"),
    }
    makers[kind]()
    notes: list[str] = []
    history = BoundedHistory(path, notes.append)
    assert list(history.load_history_strings()) == []
    history.append_string("text")
    history.append_string("more")
    assert history.get_strings() == ["text", "more"]
    assert len(notes) == 1


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_the_state_folder_takes_no_odd_files(
    tmp_path: Path, run: Run, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIPLLAVA_HOME", str(tmp_path))
    path = tmp_path / "state" / "history"
    path.parent.mkdir()
    if kind == "fifo":
        os.mkfifo(path)
    else:
        link_to_device(path, "null")
    with pytest.raises(Exception, match="cannot be written"):
        private_file("history")


DAMAGED = {
    "empty": b"",
    "NUL": b"\0" * 100_000,
    "no newline": b"+" + b"x" * 100_000,
    "binary": bytes(range(256)) * 4000,
    "huge": b"\n# now\n+text\n" * 500_000,
    "one huge line": b"\n+" + b"x" * 5_000_000 + b"\n\n+last\n",
    "cut": b"xt\n\n# now\n+last\n",
    "plus": b"+\n" * 400_000,
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_history_files_are_bounded(tmp_path: Path, name: str) -> None:
    path = tmp_path / "history"
    path.write_bytes(DAMAGED[name])
    history = BoundedHistory(path, pytest.fail)
    start = time.monotonic()
    entries = list(history.load_history_strings())
    assert len(entries) <= MAX_ENTRIES
    assert sum(map(len, entries)) <= MAX_BYTES
    history.append_string("one\ntwo \udcff")
    assert path.stat().st_size <= MAX_BYTES + 1000
    assert time.monotonic() - start < 2 + SLACK
    again = list(BoundedHistory(path, pytest.fail).load_history_strings())
    assert again[0] == "one\ntwo ?"
    assert name != "one huge line" or "last" in again


def test_a_long_history_in_memory_is_bounded() -> None:
    history = BoundedHistory(None, pytest.fail)
    for number in range(MAX_ENTRIES + 100):
        history.append_string(f"{number}")
    assert history.get_strings()[0] == "100"
    for _ in range(50):
        history.append_string("x" * MAX_PASTE_LENGTH)
    assert sum(map(len, history.get_strings())) <= MAX_BYTES


# --- the parser of keys -------------------------------------------------------------------------


def parse(*parts: str) -> list[KeyPress]:
    keys: list[KeyPress] = []
    parser = BoundedParser(keys.append)
    for part in parts:
        parser.feed(part)
    parser.flush()
    return keys


@pytest.mark.parametrize("size", [1, 2, 5, 7, 1024])
def test_a_paste_in_parts_is_the_same(size: int) -> None:
    text = "\x1b[200~one \x1b[201 two\x1b[20\x1b[201~x\x1b[A"
    keys = parse(*(text[at : at + size] for at in range(0, len(text), size)))
    assert [key.key for key in keys] == [Keys.BracketedPaste, "x", Keys.Up]
    assert keys[0].data == "one \x1b[201 two\x1b[20"


@pytest.mark.parametrize("length", [MAX_PASTE_LENGTH, MAX_PASTE_LENGTH + 1, 3_000_000])
def test_a_long_paste_keeps_its_length_only(length: int) -> None:
    part = 50_000
    (key,) = parse(
        "\x1b[200~", *["x" * part] * (length // part), "x" * (length % part), "\x1b[201~"
    )
    assert isinstance(key.data, Paste)
    assert (key.data.length, key.data.is_ended) == (length, True)
    assert len(key.data) == (length if length <= MAX_PASTE_LENGTH else 0)


@pytest.mark.parametrize("text", ["a" * 1000, "\udcff\udcfe\udc80" * 300, "caf\udce9 " * 200])
def test_many_characters_at_once_are_one_key(text: str) -> None:
    (key,) = parse(text)
    assert key.data == text


def test_ctrl_c_ends_a_paste_but_not_one_that_is_complete() -> None:
    assert [key.key for key in parse("\x1b[200~text\x03")] == [Keys.ControlC]
    assert parse("\x1b[200~text\x03\x1b[201~")[0].data == "text\x03"


# --- lists of files, typed ahead, numbers -------------------------------------------------------


def test_completion_of_a_huge_folder(tmp_path: Path) -> None:
    for number in range(MAX_COMPLETIONS + 10):
        (tmp_path / f"name-{number:05}").touch()
    start = time.monotonic()
    found = list(complete_path(f"{tmp_path}/na"))
    assert [each.text for each in found] == ["me-0"]
    assert len(list(complete_path(f"{tmp_path}/name-0000"))) == 10
    assert time.monotonic() - start < 2 + SLACK


def test_a_line_typed_ahead_is_bounded() -> None:
    line = TypedLine()
    for _ in range(MAX_TYPED_LENGTH + 5):
        shown = line.press("a")
    assert shown == "\a"
    assert len(line.text) == MAX_TYPED_LENGTH


@pytest.mark.parametrize(
    "text",
    ["٣", "\uff13", "1_000", "+5", " 5", "5 ", "0x5", "inf", "nan", "", "-", "1e", "1e999", "५", "²",
     "1,5", "5\n", "--5", "9" * 5000],
)  # fmt: skip
def test_a_number_has_ascii_digits(text: str) -> None:
    for parse in (parse_whole, parse_number):
        with pytest.raises(ValueError, match="not a"):
            parse(text)


@pytest.mark.parametrize(
    ("option", "bounds"),
    [("--seed", "from 0 to 4294967295"), ("--temperature", "from 0 to 100"), ("--top-p", " to 1"),
     ("--max-new-tokens", "from 1 to"), ("--frame", "from 1 to 999999999"),
     ("--width", "above 0 and at most 100"), ("--alpha", "above 0 and at most 1")],
)  # fmt: skip
@pytest.mark.parametrize("text", ["٣", "1_0", "+5"])
def test_a_refused_number_names_both_bounds(run: Run, option: str, bounds: str, text: str) -> None:
    finished = run("ask", GARDEN, "q", option, text)
    assert finished.code == 2
    assert bounds in finished.stderr
    assert finished.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["\uff11,2,3,4", "٣,2,30,40", "1_0,2,3,4", "0x1,2,3,4", "nan,1,2,3"]
)
def test_a_mark_has_ascii_digits(run: Run, tmp_path: Path, text: str) -> None:
    finished = run("annotate", GARDEN, "--box", text, "-o", tmp_path / "x.png")
    assert finished.code == 3
    assert "finite number" in finished.stderr
