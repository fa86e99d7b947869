"""The conversation line by line: a question, a command or an image, until there are no more."""

import os
import shlex
from urllib.parse import unquote

from vipllava_cli.cli.repl.plain_input import LineAbandoned
from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.repl.slash_commands import answer, load_image, run_slash_command
from vipllava_cli.errors import ExitCode, VipllavaError
from vipllava_cli.sources.folder import image_suffixes

LONGEST_PATH = 4096


def start_conversation(session: ChatSession) -> ExitCode:
    """Until Ctrl-D, the end of the lines, /exit, or the second Ctrl-C at the prompt."""
    interrupted = False
    while True:
        try:
            line = session.reader.read()
            interrupted = False
            _take_or_say_why_not(session, line)
        except EOFError:
            return ExitCode.DONE
        except KeyboardInterrupt as error:
            begun = isinstance(error, LineAbandoned)
            if (interrupted and not begun) or not session.typed:
                return ExitCode.INTERRUPTED
            interrupted = True
            session.messages.say("Ctrl-C again leaves; /help lists the commands")


def _take_or_say_why_not(session: ChatSession, line: str) -> None:
    """Errors end the conversation only where nobody sits."""
    try:
        _take(session, line)
    except VipllavaError as error:
        if not session.typed:
            raise
        session.messages.error(str(error))


def _take(session: ChatSession, line: str) -> None:
    """Do what a line asks for."""
    if not line.strip():
        return
    image = find_dropped_image(line)
    if image is not None:
        if session.reader.confirm(f"look at {image}?"):
            load_image(session, image)
    elif line.lstrip().startswith("/"):
        run_slash_command(session, line)
    else:
        answer(session, lambda on_text, stop: session.chat.ask(line, on_text, stop))


def find_dropped_image(line: str) -> str | None:
    """The image that a line names and nothing else, as terminals paste what is dropped on them: as it
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
        if path.lower().endswith(image_suffixes()) and os.path.isfile(path):
            return path
    return None
