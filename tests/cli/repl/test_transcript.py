"""The chat in a terminal, with the shipped model: the documented transcripts, and a stopped answer."""

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.chat_terminal import TIMEOUT, open_chat
from vipllava_cli.engine.open import open_engine
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.session_file import read_session, resume_chat

pytestmark = pytest.mark.model

ESC = "\x1b"

# A command line and its output, in a fenced or an indented block.
_TRANSCRIPT = re.compile(
    r"^```\w*\n\$ (?P<fenced>vipllava chat [^`]*)^```"
    r"|^    \$ (?P<indented>vipllava chat .*\n(?:    .*\n)+)",
    re.MULTILINE,
)


def find_transcripts() -> list[list[str]]:
    """Return the lines of each different transcript in README.md and docs/chat.md, command first."""
    found = []
    for name in ("docs/chat.md", "README.md"):
        for match in _TRANSCRIPT.finditer((ROOT / name).read_text()):
            text = match["fenced"] or match["indented"]
            found.append([line.removeprefix("    ") for line in text.splitlines()])
    return [lines for number, lines in enumerate(found) if lines not in found[:number]]


def is_question(line: str) -> bool:
    """Return whether a line of a transcript is a question, not a command or output."""
    return line.startswith("> ") and line[2] != "/"


def test_the_documents_have_a_transcript_with_ten_questions_and_moved_marks() -> None:
    longest = max(find_transcripts(), key=len)
    assert sum(map(is_question, longest)) == 10
    assert longest.count("> /unmark 1") == 2


@pytest.mark.terminal
@pytest.mark.slow
def test_the_terminal_shows_the_documented_transcript(home: Path) -> None:
    for command, *expected in find_transcripts():
        arguments = [*command.split()[2:], "--plain", "--model", "tiny"]
        with open_chat("vipllava_cli", *arguments, home=home) as talk:
            printed = talk.until("> ", TIMEOUT)
            for line in (line[2:] for line in expected if line.startswith("> ")):
                talk.type(line + "\n")
                printed += talk.until("\n> ", TIMEOUT)
            assert ESC.encode() not in talk.received, "--plain redraws nothing"
            start = printed.index(expected[0])
            assert printed[start:].removesuffix("> ").splitlines() == expected
            talk.type("\x04")
            assert talk.wait(TIMEOUT) == 0


@pytest.mark.terminal
@pytest.mark.slow
def test_ctrl_c_stops_an_answer_and_the_next_one_equals_that_of_a_fresh_run(
    home: Path, tmp_path: Path
) -> None:
    """The conversation before has ten turns, and its marks change twice."""
    command, *expected = max(find_transcripts(), key=len)
    session, slow = tmp_path / "s", tmp_path / "slow"
    arguments = [*command.split()[2:], "--plain", "--model", "tiny"]
    env = {"SLOW": str(slow)}
    with open_chat("tests.support.slow_chat", *arguments, home=home, env=env) as talk:
        talk.until("> ", TIMEOUT)
        for line in (line[2:] for line in expected if line.startswith("> ")):
            talk.type(line + "\n")
            talk.until("\n> ", TIMEOUT)
        slow.touch()
        talk.type(f"/save {session}\n")
        talk.until("\n> ", TIMEOUT)
        talk.type("what is in the yellow circle?\n")
        talk.until("there is", TIMEOUT)
        talk.type("\x03")
        assert "answer stopped: /more continues it" in talk.until("\n> ", TIMEOUT)
        talk.type("what is in the red box?\n")
        talk.until("\n> ", TIMEOUT)
        talk.type("\x04")
        assert talk.wait(TIMEOUT) == 0

    saved = read_session(str(session))
    *before, stopped, last = saved.turns
    assert len(before) == 10
    assert (stopped.record.finish_reason, last.record.finish_reason) == ("stopped", "stop")
    assert stopped.answer in ("there is", "there is no")
    engine = open_engine("tiny", device="cpu")
    fresh = Chat(engine, print, resume_chat(saved, "tiny").state)
    reply = engine.start_conversation().answer(
        fresh.view(fresh.state.input_image),
        [*(turn.turn for turn in (*before, stopped)), Turn(last.question)],
    )
    assert (reply.answer.text, reply.tokens) == (last.answer, last.tokens)
