"""The table of slash commands."""

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


def test_an_unknown_command_names_a_similar_one_or_help(fake: FakeSession) -> None:
    assert fake.enter("/undp") == "error: unknown command '/undp': did you mean /undo?\n"
    assert fake.enter("/xyzzy") == "error: unknown command '/xyzzy': /help lists the commands\n"
    assert fake.enter("/tmp/none.png") == "error: '/tmp/none.png': neither a command nor a file\n"
