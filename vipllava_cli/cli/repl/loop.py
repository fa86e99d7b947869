"""The conversation line by line: a question, a command or a picture, until there are no more."""

import os
import shlex
from urllib.parse import unquote

from vipllava_cli.cli.repl.plain_input import LineAbandoned
from vipllava_cli.cli.repl.session import Room
from vipllava_cli.cli.repl.slash_commands import answer, open_picture, run_slash
from vipllava_cli.errors import ExitCode, VipllavaError
from vipllava_cli.sources.folder import picture_suffixes

LONGEST_PATH = 4096


def converse(room: Room) -> ExitCode:
    """Until Ctrl-D, the end of the lines, /exit, or the second Ctrl-C at the prompt."""
    interrupted = False
    while True:
        try:
            line = room.reader.read()
            interrupted = False
            _take_or_say_why_not(room, line)
        except EOFError:
            return ExitCode.DONE
        except KeyboardInterrupt as error:
            begun = isinstance(error, LineAbandoned)
            if (interrupted and not begun) or not room.typed:
                return ExitCode.INTERRUPTED
            interrupted = True
            room.messages.say("Ctrl-C again leaves; /help lists the commands")


def _take_or_say_why_not(room: Room, line: str) -> None:
    """Errors end the conversation only where nobody sits."""
    try:
        _take(room, line)
    except VipllavaError as error:
        if not room.typed:
            raise
        room.messages.error(str(error))


def _take(room: Room, line: str) -> None:
    """Do what a line asks for."""
    if not line.strip():
        return
    picture = dropped_picture(line)
    if picture is not None:
        if room.reader.confirm(f"look at {picture}?"):
            open_picture(room, picture)
    elif line.lstrip().startswith("/"):
        run_slash(room, line)
    else:
        answer(room, lambda on_text, stop: room.chat.ask(line, on_text, stop))


def dropped_picture(line: str) -> str | None:
    """The picture that a line names and nothing else, as terminals paste what is dropped on them: as it
    is, quoted, with backslashes, or as a file:// address.
    """
    text = line.strip()
    if not text or len(text) > LONGEST_PATH or "\n" in text:
        return None
    try:
        words = shlex.split(text)
    except ValueError:  # a quote that is not closed
        words = []
    for name in (text, words[0] if len(words) == 1 else text):
        path = unquote(name[7:]) if name.startswith("file://") else os.path.expanduser(name)
        if path.lower().endswith(picture_suffixes()) and os.path.isfile(path):
            return path
    return None
