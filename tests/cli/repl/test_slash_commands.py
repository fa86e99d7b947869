"""The table of slash commands."""

import pytest

from tests.support.chat_session import FakeSession
from vipllava_cli.cli.repl.slash_commands import SLASH_COMMANDS
from vipllava_cli.marks.shape_table import SHAPES


def test_every_shape_has_a_command_and_every_command_has_a_help_text() -> None:
    assert {f"/{shape}" for shape in SHAPES} <= set(SLASH_COMMANDS)
    expected = (
        "image marks unmark pick show view undo retry more reset set save load stats help exit"
    )
    assert {f"/{name}" for name in expected.split()} <= set(SLASH_COMMANDS)
    assert all(command.help for command in SLASH_COMMANDS.values())


def test_help_lists_every_command_with_its_effect(fake: FakeSession) -> None:
    printed = fake.enter("/help")
    lines = [line.split() for line in printed.splitlines()]
    assert {line[0] for line in lines if line[0].startswith("/")} == set(SLASH_COMMANDS)
    for effect in ("add a box", "add an ellipse", "remove a mark", "start over", "stop the answer"):
        assert effect in printed


def test_help_about_a_command_shows_only_that(fake: FakeSession) -> None:
    assert fake.enter("/help undo").split() == ["/undo", *SLASH_COMMANDS["/undo"].help.split()]
    assert fake.enter("/help /box ellipse").count("\n") == 2
    assert fake.enter("/help undp") == "error: unknown command '/undp': did you mean /undo?\n"


def test_help_names_the_keys_that_work(fake: FakeSession) -> None:
    assert "Ctrl-G" not in fake.enter("/help")
    fake.session.is_plain = False
    assert "Ctrl-G" in fake.enter("/help")


def test_case_and_spaces_around_a_command_do_not_matter(fake: FakeSession) -> None:
    assert fake.enter("  /BOX\t 10,10,50,50 ") == "1 box red:10,10,50,50\n"


def test_a_command_without_arguments_refuses_them(fake: FakeSession) -> None:
    fake.enter("one?", "two?")
    assert fake.enter("/undo 2") == (
        "error: /undo takes nothing after it, found '2': enter /undo alone\n"
    )
    assert len(fake.chat.state.turns) == 2


@pytest.mark.parametrize("name", sorted({*SLASH_COMMANDS} - {"/pick", "/save"}))
@pytest.mark.parametrize("argument", ["", "x", "-1", "a b c", "'"])
def test_a_command_with_any_argument_prints_at_most_one_error(
    fake: FakeSession, name: str, argument: str
) -> None:
    assert fake.enter(f"{name} {argument}").count("error: ") <= 1
