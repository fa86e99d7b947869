"""The prompt in a terminal of its own: editing, completion, history, and random keys."""

import os
import random
import shutil
import stat
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import SAMPLES
from tests.support.chat_terminal import TIMEOUT, open_chat
from tests.support.terminal import Terminal
from vipllava_cli.cli.repl.slash_commands import SLASH_COMMANDS
from vipllava_cli.errors import ExitCode
from vipllava_cli.flows.chat.session_file import read_session

GARDEN = SAMPLES / "garden.png"


@pytest.mark.terminal
@pytest.mark.slow
def test_the_prompt_edits_completes_remembers_and_exits(home: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text("import sys; open(sys.argv[1], 'a').write(' edited?')")
    env = {"EDITOR": f"{sys.executable} {editor}"}
    with open_chat("tests.support.fake_chat", str(GARDEN), home=home, env=env) as talk:

        def enter(keys: str) -> str:
            talk.type(keys)
            return talk.prompt(TIMEOUT)

        talk.prompt(TIMEOUT)
        assert "unknown command '/undp': did you mean /undo?" in enter("/undp\r")
        assert ":1:0" in enter('"""one\rtwo"""\r')
        assert ":2:0" in enter("three\x1b\rfour\r")
        assert ":3:0" in enter("\x1b[200~pasted\r\nlines\x1b[201~\r")
        talk.type("/mar\t")
        talk.until("ks")
        assert "no marks" in enter("\r")
        talk.type("opened")
        talk.until("opened")
        talk.type("\x07")
        talk.until("edited?", TIMEOUT)
        assert ":4:0" in enter("\r")
        assert ":5:0" in enter("\x1b[A\r"), "the last line of the history"
        talk.type(f"'{SAMPLES / 'farm.png'}'\r")
        talk.until("[Y/n]")
        assert "farm.png, 640x640" in enter("y\r")
        assert "again to leave" in enter("half a li\x03")
        assert enter("/stats\r").count("\n") > 2
        assert "again to leave" in enter("\x03")
        talk.type("\x03")
        assert talk.wait(TIMEOUT) == ExitCode.INTERRUPTED
    history = home / "state" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+opened edited?\n" in history.read_text()
    last = read_session(str(home / "state" / "last-chat.json"))
    assert [turn.question for turn in last.turns] == [
        "one\ntwo", "three\nfour", "pasted\nlines", "opened edited?", "opened edited?",
    ]  # fmt: skip
    assert stat.S_IMODE((home / "state" / "last-chat.json").stat().st_mode) == 0o600

    with open_chat("tests.support.fake_chat", "--continue", "--no-history", home=home) as talk:
        assert "> opened edited?" in talk.prompt(TIMEOUT)
        talk.type("and more?\r")
        assert ":6:0" in talk.prompt(TIMEOUT)
        talk.type("\x04")
        assert talk.wait(TIMEOUT) == 0
    assert "more?" not in history.read_text()
    assert len(read_session(str(home / "state" / "last-chat.json")).turns) == 5


@pytest.mark.terminal
@pytest.mark.slow
def test_tab_completes_paths_however_they_are_typed(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my images"
    folder.mkdir()
    shutil.copy(GARDEN, folder / "a garden.png")
    (folder / "a garden.txt").write_text("")
    with open_chat("tests.support.fake_chat", home=home, folder=tmp_path) as talk:
        talk.prompt(TIMEOUT)
        for start, question in (
            ("my im", "one?"),
            ('"my im', "two?"),
            ("my\\ im", "three?"),
            ("/image my im", "four?"),
        ):
            talk.type(f"{start}\t")
            talk.until("ages/")
            talk.type("\t" if start.startswith("/") else "a\t")
            talk.until("garden.")
            talk.type(f"png {question}\r" if start.startswith("/") else f" {question}\r")
            talk.prompt(TIMEOUT)
        talk.type("\x04")
        assert talk.wait(TIMEOUT) == 0
    last = read_session(str(home / "state" / "last-chat.json"))
    assert [turn.question for turn in last.turns] == ["one?", "two?", "three?", "four?"]


# --- random keys -----------------------------------------------------------------------------

COMMANDS = [
    f"{name} {argument}"
    for name in SLASH_COMMANDS
    for argument in ("", "1", "10,10,90,90", "red:5,5")
    if name != "/exit"
]
WORDS = [
    "what is in the red box?", "{1}", "{9}", "<image>", "###", "", " ", "/", "//", "/bix", "/ image",
    "/box red:1,2", "/box 10%,10%,+50%,+50%", "/arrow 5,5", "/mask missing.png", "/box 1e999,1,2,3",
    "/image missing.png", "/image /", "/image sample_images/farm.png", "/load missing",
    "/load sample_images/SOURCES.md", "/save /", "/save /nowhere/x", "/set temperature 1",
    "/set temperature -1", "/set seed x", "/set max-new-tokens 3", "/set zoom on", "/set nothing 1",
    "/unmark all",
    "/unmark 99999999999", "sample_images/farm.png", "'sample_images/farm.png", "file:///nowhere.png",
    '"""', "\u202e\u200b二つ 🐘", "word " * 300,
]  # fmt: skip
ESCAPES = ("[A", "[B", "[C", "[D", "[H", "[F", "[3~", "[Z", "OP", "b", "u", "[31m", "]0;title\x07")
KEYS = [
    *(bytes([code]) for code in range(1, 32) if code not in (0x03, 0x04, 0x13, 0x1A, 0x1C)),
    *(f"\x1b{escape}".encode() for escape in ESCAPES),
    *(b"\x00", b"\x7f", b"\xff\xfe", b"\x9b31m", b"\xc3", b"\x1b[200~a\r\nb\x1b[201~"),
]
PASTED = ("x", "word ", "/box\n", '"""\n', "\x1b[31m", "🐘\n")


def random_input(rng: random.Random) -> bytes:
    """Return random keys, commands, words or pasted text.

    Keys that the terminal itself handles, like Ctrl-Z, are not pressed. Ctrl-C and Ctrl-D would end the
    session; other tests press them.
    """
    kind = rng.randrange(10)
    if kind < 4:
        return (rng.choice([*COMMANDS, *WORDS]) + rng.choice(["", "\r"])).encode()
    if kind < 8:
        return b"".join(rng.choice(KEYS) for _ in range(rng.randint(1, 6)))
    if kind == 8:
        return bytes(rng.choice(b" abc/:,\"'\\#<>[]{}%0159\t\r") for _ in range(rng.randint(1, 60)))
    pasted = rng.choice(PASTED) * rng.choice([3, 300, 20_000])
    return b"\x1b[200~" + pasted.encode() + b"\x1b[201~"


def press_until(talk: Terminal, keys: str, expected: str) -> None:
    """Press the keys until the terminal shows `expected`: a Ctrl-C before them discards the line."""
    for _ in range(TIMEOUT):
        talk.quiet(0.02)
        talk.type(keys)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if expected in talk.shown(talk.seen):
                talk.seen = len(talk.received)
                return
            talk.quiet(0.01)
    raise AssertionError(f"no {expected!r} in {talk.shown(talk.seen)[-3000:]!r}")


@pytest.mark.terminal
@pytest.mark.slow
def test_random_keys_and_commands_never_crash_the_prompt(home: Path, tmp_path: Path) -> None:
    """VIPLLAVA_STROKES=COUNT,SEED repeats the test with other inputs and the shipped model."""
    count, seed = (int(n) for n in os.environ.get("VIPLLAVA_STROKES", "150,0").split(","))
    module = "vipllava_cli" if "VIPLLAVA_STROKES" in os.environ else "tests.support.fake_chat"
    rng = random.Random(seed)
    log: list[bytes] = []
    (tmp_path / "sample_images").symlink_to(SAMPLES)  # /save writes beside it, not into it
    while len(log) < count:
        with open_chat(
            module,
            str(GARDEN),
            "--model",
            "tiny",
            home=home,
            folder=tmp_path,
            env={"EDITOR": "true"},
        ) as talk:
            talk.prompt(TIMEOUT)
            while len(log) < count:
                log.append(random_input(rng))
                talk.type(log[-1])
                talk.type(b"x\x03")  # leave any mode that the keys started
                press_until(talk, f"/set seed {len(log)}\r", f"seed is {len(log)}\n")
                if len(log) % 1000 == 0:
                    break
            talk.type("\x04")
            assert talk.wait(TIMEOUT) == 0
            shown = talk.shown()
        for word in ("Traceback", "a bug in", "Unhandled"):
            assert word not in shown, shown[shown.index(word) - 2000 :][:4000]
