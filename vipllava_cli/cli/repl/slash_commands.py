"""The slash commands: one table of names, arguments, help texts and functions."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vipllava_cli.cli.repl.image_commands import (
    list_marks,
    mark_adder,
    open_chat_image,
    pick,
    show_image,
    show_model_view,
    unmark,
    use,
)
from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.repl.session_commands import load, save, set_or_list
from vipllava_cli.cli.repl.settings import SETTINGS
from vipllava_cli.cli.repl.turn_commands import more, reset, retry, stats, undo
from vipllava_cli.cli.repl.unknown_commands import OTHER_NAMES, explain_unknown
from vipllava_cli.errors import UsageError, short_repr
from vipllava_cli.marks.shape_table import MASK_SHAPES, SHAPES, with_article


@dataclass(frozen=True)
class SlashCommand:
    """A slash command.

    `form` and `help` are the columns of /help. `run` takes the session and the rest of the line.
    Tab completes one of the `words` after the name; None stands for a path.
    """

    form: str
    help: str
    run: Callable[[ChatSession, str], None]
    words: tuple[str, ...] | None = ()


def run_slash_command(session: ChatSession, line: str) -> None:
    """Run the command on a line. Raises UsageError for an unknown command, EOFError for /exit."""
    typed, argument = [*line.strip().split(maxsplit=1), ""][:2]
    name = OTHER_NAMES.get(typed.lower(), typed.lower())
    command = SLASH_COMMANDS.get(name)
    if command is None:
        raise UsageError(explain_unknown(typed, argument, SLASH_COMMANDS))
    if argument and not command.form:
        raise UsageError(
            f"{typed} takes nothing after it, found {short_repr(argument)}: enter {typed} alone"
        )
    command.run(session, argument)


def _help(session: ChatSession, argument: str) -> None:
    """List the commands that the argument names, or all."""
    wanted = [f"/{word.strip('/').lower()}" for word in argument.split()]
    names = [OTHER_NAMES.get(name, name) for name in wanted] or list(SLASH_COMMANDS)
    for name in names:
        if name not in SLASH_COMMANDS:
            raise UsageError(explain_unknown(name, "", SLASH_COMMANDS))
    rows = [
        (f"{name} {SLASH_COMMANDS[name].form}".rstrip(), SLASH_COMMANDS[name].help)
        for name in names
    ]
    keys = _PLAIN_KEYS if session.is_plain else _KEYS
    session.messages.tell_pairs(rows if argument else [*rows, *keys])


def _exit(session: ChatSession, argument: str) -> None:
    raise EOFError


_STOP_KEY = ("Ctrl-C", "stop the answer; press it twice at the prompt to leave")
_KEYS = (
    ('Alt-Enter, or """ … """', "write several lines"),
    ("Tab", "complete a command, a path or a setting"),
    ("Ctrl-G", "write in your editor"),
    _STOP_KEY,
)
_PLAIN_KEYS = (('""" … """', "write several lines"), _STOP_KEY)

_MARK_FORMS: Mapping[str, str] = {
    **{name: shape.syntax for name, shape in SHAPES.items()},
    "arrow": "X1,Y1,X2,Y2|X,Y",
    **dict.fromkeys(MASK_SHAPES, "X1,Y1,…|FILE[:VALUE]"),
}


def _mark_command(shape: str) -> SlashCommand:
    return SlashCommand(
        f"[COLOUR:]{_MARK_FORMS[shape]}",
        f"add {with_article(shape)}",
        mark_adder(shape),
        None if shape in MASK_SHAPES else (),
    )


SLASH_COMMANDS: Mapping[str, SlashCommand] = {
    "/image": SlashCommand(
        "PATH [QUESTION]", "open another image, and ask about it", open_chat_image, None
    ),
    **{f"/{shape}": _mark_command(shape) for shape in SHAPES},
    "/marks": SlashCommand("", "list the marks", list_marks),
    "/unmark": SlashCommand("N|all", "remove a mark, or all marks", unmark, ("all",)),
    "/use": SlashCommand("[N]", "add the marks that the last answer points at", use),
    "/pick": SlashCommand("", "draw marks with the mouse", pick),
    "/show": SlashCommand("", "show the marked image", show_image),
    "/view": SlashCommand("", "show the image as the model sees it", show_model_view),
    "/undo": SlashCommand("", "remove the last question and its answer", undo),
    "/retry": SlashCommand("", "answer the last question again", retry),
    "/more": SlashCommand("", "continue an answer that was cut off", more),
    "/reset": SlashCommand("", "start over; image and marks stay", reset),
    "/set": SlashCommand(
        "[NAME VALUE]", "change a setting, or list them", set_or_list, tuple(SETTINGS)
    ),
    "/save": SlashCommand("FILE", "save the conversation to a file", save, None),
    "/load": SlashCommand("FILE", "resume a saved conversation", load, None),
    "/stats": SlashCommand("", "show model, tokens and speed", stats),
    "/help": SlashCommand("[COMMAND]", "list the commands; so does help or ?", _help),
    "/exit": SlashCommand("", "leave, like Ctrl-D, exit or quit", _exit),
}
