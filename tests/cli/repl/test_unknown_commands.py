"""Names that other chats use."""

import pytest

from tests.support.chat_session import FakeSession
from vipllava_cli.cli.repl.settings import SETTINGS
from vipllava_cli.cli.repl.slash_commands import SLASH_COMMANDS
from vipllava_cli.cli.repl.unknown_commands import BARE_WORDS, OTHER_NAMES, explain_unknown


def test_other_names_stand_for_existing_commands_and_hide_none() -> None:
    assert {*OTHER_NAMES.values(), *BARE_WORDS.values()} <= set(SLASH_COMMANDS)
    assert not set(OTHER_NAMES) & set(SLASH_COMMANDS)


@pytest.mark.parametrize("line", ["exit", "QUIT ", " bye", "exit()", ":q", "/bye", "/q", "/Quit"])
def test_a_session_ends_in_the_words_of_other_chats(
    fake: FakeSession, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fake.enter(line, "what?") == ""
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("line", ["help", "Help ", "?", "/?", "/h"])
def test_help_is_found_in_the_words_of_other_chats(fake: FakeSession, line: str) -> None:
    assert fake.enter(line) == fake.enter("/help")


def test_a_question_that_contains_such_a_word_stays_a_question(
    fake: FakeSession, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.enter("help me find the cat", "exit where?", "??")
    assert [turn.question for turn in fake.chat.state.turns] == [
        "help me find the cat", "exit where?", "??",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["/clear", "/new"])
def test_a_conversation_starts_over_in_the_words_of_other_chats(
    fake: FakeSession, name: str
) -> None:
    assert fake.enter("what?", name) == "conversation cleared; image and marks kept\n"
    assert fake.chat.state.turns == ()


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ("/undp", "did you mean /undo?"),
        ("/ box 1,2,3,4", "the name follows the slash at once; /help lists the commands"),
        ("/xyzzy", "/help lists the commands"),
        ("/temperature 0.8", "did you mean /set temperature 0.8?"),
        ("/max_new_tokens", "did you mean /set max-new-tokens VALUE?"),
        ("/box10,10,20,20", "did you mean /box 10,10,20,20?"),
        ("/circle 1,2,3,4", "did you mean /ellipse?"),
        ("/quti", "did you mean /exit?"),
        ("/system You are a pirate.", "write instructions into the question"),
        ("/models", "`vipllava chat IMAGE --model NAME` starts another"),
        ("/stop", "Ctrl-C stops an answer; /exit leaves"),
        ("/upload cat.png", "did you mean /image?"),
        ("/sort", "/help lists the commands"),
        ("/model 7b", "`vipllava chat IMAGE --model NAME` starts another"),
    ],
)
def test_an_unknown_command_gets_advice(fake: FakeSession, line: str, advice: str) -> None:
    printed = fake.enter(line)
    assert printed.startswith(f"error: unknown command {line.split(maxsplit=1)[0]!r}: ")
    assert printed.endswith(f"{advice}\n")


def test_no_setting_is_taken_for_a_command() -> None:
    for name in SETTINGS:
        assert f"/set {name} 1?" in explain_unknown(f"/{name}", "1", SLASH_COMMANDS)


def test_an_unknown_path_is_no_file(fake: FakeSession) -> None:
    for line in ("/tmp/none.png", "/tmp/none.png what is it?"):
        assert fake.enter(line) == "error: unknown command, and no such file: '/tmp/none.png'\n"
