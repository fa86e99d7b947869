"""`chat` in a terminal of its own: what is typed, and what is shown then."""

import os
import random
import re
import stat
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES
from tests.support.terminal import Terminal
from vipllava_cli.cli.repl.slash_commands import SLASH_COMMANDS
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import ExitCode
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.session_file import read_session, resume

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")

GARDEN = SAMPLES / "garden.png"
ESC = "\x1b"
SLOW = 60  # seconds that nothing may take, on any machine


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def terminal(
    module: str,
    *arguments: str,
    home: Path,
    folder: Path = ROOT,
    env: Mapping[str, str] | None = None,
) -> Terminal:
    """`vipllava chat` in a terminal, at the root of the checkout if nothing else is said."""
    environment = {
        "VIPLLAVA_HOME": str(home),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        **(env or {}),
    }
    return Terminal("-m", module, "chat", *arguments, env=environment, folder=folder)


def transcript() -> list[str]:
    """The lines of the README's session, with the command."""
    readme = (ROOT / "README.md").read_text()
    found = re.search(r"^    \$ (vipllava chat .*\n(?:    .*\n)+)", readme, re.MULTILINE)
    assert found
    return [line.removeprefix("    ") for line in found[1].splitlines()]


def test_the_readmes_session_is_what_the_terminal_shows_and_ctrl_c_stops_an_answer(
    home: Path, tmp_path: Path
) -> None:
    """Ten turns over a sample scene, marks moved twice; then an answer is stopped in its middle and the
    conversation goes on as a fresh run over its words.
    """
    command, *shown = transcript()
    arguments = [*command.split()[2:], "--plain", "--model", "tiny"]
    slow = tmp_path / "slow"
    with terminal(
        "tests.support.slow_chat", *arguments, home=home, env={"SLOW": str(slow)}
    ) as talk:
        printed = talk.until("> ", SLOW)
        for line in (line[2:] for line in shown if line.startswith("> ")):
            talk.type(line + "\n")
            printed += talk.until("\n> ", SLOW)
        assert ESC.encode() not in talk.received, "--plain redraws nothing"
        assert printed[printed.index(shown[0]) :].removesuffix("> ").splitlines() == shown
        assert sum(line.startswith("> ") and line[2] != "/" for line in shown) == 10

        slow.touch()
        talk.type(f"/save {tmp_path / 's'}\n")
        talk.until("\n> ", SLOW)
        talk.type("what is in the yellow circle?\n")
        talk.until("there is", SLOW)
        talk.type("\x03")
        assert "stopped here, and kept" in talk.until("\n> ", SLOW)
        talk.type("what is in the red box?\n")
        talk.until("\n> ", SLOW)
        talk.type("\x04")
        assert talk.wait(SLOW) == 0

    session = read_session(str(tmp_path / "s"))
    *before, stopped, last = session.turns
    assert (stopped.record.finish_reason, last.record.finish_reason) == ("stopped", "stop")
    assert stopped.answer in ("there is", "there is no")
    engine = open_engine("tiny", device="cpu")
    fresh = Chat(engine, print, resume(session, "tiny").state)
    reply = engine.start_conversation().answer(
        fresh._view(fresh.state.shown),
        [*(turn.turn for turn in (*before, stopped)), Turn(last.question)],
    )
    assert (reply.answer.text, reply.tokens) == (last.answer, last.tokens)


def test_the_prompt_edits_completes_remembers_and_leaves(home: Path, tmp_path: Path) -> None:
    editor = tmp_path / "editor.py"
    editor.write_text("import sys; open(sys.argv[1], 'a').write(' edited?')")
    env = {"EDITOR": f"{sys.executable} {editor}"}
    with terminal("tests.support.fake_chat", str(GARDEN), home=home, env=env) as talk:

        def enter(keys: str) -> str:
            talk.type(keys)
            return talk.prompt(SLOW)

        talk.prompt(SLOW)
        assert "there is no command '/undp': did you mean /undo?" in enter("/undp\r")
        assert ":1:0" in enter('"""one\rtwo"""\r')
        assert ":2:0" in enter("three\x1b\rfour\r")
        assert ":3:0" in enter("\x1b[200~pasted\r\nlines\x1b[201~\r")
        talk.type("/mar\t")
        talk.until("ks")
        assert "no marks" in enter("\r")
        talk.type("opened")
        talk.until("opened")
        talk.type("\x07")
        talk.until("edited?", SLOW)
        assert ":4:0" in enter("\r")
        assert ":5:0" in enter("\x1b[A\r"), "the line before, from the history"
        talk.type(f"'{SAMPLES / 'farm.png'}'\r")
        talk.until("[Y/n]")
        assert "farm.png, 640x640" in enter("y\r")
        assert "again leaves" in enter("half a li\x03")
        assert enter("/stats\r").count("\n") > 2
        assert "again leaves" in enter("\x03")
        talk.type("\x03")
        assert talk.wait(SLOW) == ExitCode.INTERRUPTED
    history = home / "state" / "history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    assert "+opened edited?\n" in history.read_text()
    last = read_session(str(home / "state" / "last-chat.json"))
    assert [turn.question for turn in last.turns] == [
        "one\ntwo", "three\nfour", "pasted\nlines", "opened edited?", "opened edited?",
    ]  # fmt: skip
    assert stat.S_IMODE((home / "state" / "last-chat.json").stat().st_mode) == 0o600

    with terminal("tests.support.fake_chat", "--continue", "--no-history", home=home) as talk:
        assert "> opened edited?" in talk.prompt(SLOW)
        talk.type("and more?\r")
        assert ":6:0" in talk.prompt(SLOW)
        talk.type("\x04")
        assert talk.wait(SLOW) == 0
    assert "more?" not in history.read_text()
    assert len(read_session(str(home / "state" / "last-chat.json")).turns) == 5


# --- anything at all ---------------------------------------------------------------------------

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


def strokes(rng: random.Random) -> bytes:
    """Keys, commands, words and pasted text. What the terminal itself acts on, as Ctrl-Z, is left out;
    Ctrl-C and Ctrl-D would leave, and are tried elsewhere.
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


def answers_still(talk: Terminal, keys: str, expected: str) -> None:
    """Press the keys until they have their effect: a Ctrl-C before them throws away what was typed."""
    for _ in range(SLOW):
        talk.quiet(0.02)
        talk.type(keys)
        deadline = time.monotonic() + 1
        while time.monotonic() < deadline:
            if expected in talk.shown(talk.seen):
                talk.seen = len(talk.received)
                return
            talk.quiet(0.01)
    raise AssertionError(f"no {expected!r} in {talk.shown(talk.seen)[-3000:]!r}")


def test_no_keys_and_commands_bring_it_down(home: Path, tmp_path: Path) -> None:
    """Random ones, 150 of them, or as many as VIPLLAVA_STROKES says, then with the real model."""
    count, seed = (int(n) for n in os.environ.get("VIPLLAVA_STROKES", "150,0").split(","))
    module = "vipllava_cli" if "VIPLLAVA_STROKES" in os.environ else "tests.support.fake_chat"
    rng = random.Random(seed)
    log: list[bytes] = []
    (tmp_path / "sample_images").symlink_to(SAMPLES)  # what is saved lands beside it
    while len(log) < count:
        with terminal(
            module,
            str(GARDEN),
            "--model",
            "tiny",
            home=home,
            folder=tmp_path,
            env={"EDITOR": "true"},
        ) as talk:
            talk.prompt(SLOW)
            while len(log) < count:
                log.append(strokes(rng))
                talk.type(log[-1])
                talk.type(b"x\x03")  # out of whatever mode the keys led into
                answers_still(talk, f"/set seed {len(log)}\r", f"seed is {len(log)}\n")
                if len(log) % 1000 == 0:
                    break
            talk.type("\x04")
            assert talk.wait(SLOW) == 0
            shown = talk.shown()
        for word in ("Traceback", "a bug in", "Unhandled"):
            assert word not in shown, shown[shown.index(word) - 2000 :][:4000]
