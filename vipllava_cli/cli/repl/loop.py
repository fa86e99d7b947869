"""The chat loop: read a line; run a command, open an image, or answer a question."""

import os
import shlex
from urllib.parse import unquote

from vipllava_cli.cli.repl.image_commands import open_chat_image
from vipllava_cli.cli.repl.plain_input import LineAbandoned
from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.repl.slash_commands import run_slash_command
from vipllava_cli.cli.repl.turn_commands import show_answer
from vipllava_cli.errors import ExitCode, VipllavaError
from vipllava_cli.sources.folder import image_suffixes

MAX_PATH_LENGTH = 4096  # characters


def run_chat(session: ChatSession) -> ExitCode:
    """Handle lines until Ctrl-D, the end of stdin, /exit, or a second Ctrl-C at the prompt."""
    interrupted = False
    while True:
        try:
            line = session.input.read()
            interrupted = False
            _handle_line(session, line)
        except EOFError:
            return ExitCode.DONE
        except KeyboardInterrupt as error:
            line_abandoned = isinstance(error, LineAbandoned)
            if (interrupted and not line_abandoned) or not session.is_interactive:
                return ExitCode.INTERRUPTED
            interrupted = True
            session.messages.say("press Ctrl-C again to leave; /help lists the commands")


def _handle_line(session: ChatSession, line: str) -> None:
    """Handle a line. An interactive session prints errors; a pipe raises them."""
    try:
        _dispatch(session, line)
    except VipllavaError as error:
        if not session.is_interactive:
            raise
        session.messages.error(str(error))


def _dispatch(session: ChatSession, line: str) -> None:
    if not line.strip():
        return
    image = find_dropped_image(line)
    if image is not None:
        if session.input.confirm(f"open {image}?"):
            open_chat_image(session, image)
    elif line.lstrip().startswith("/"):
        run_slash_command(session, line)
    else:
        show_answer(session, lambda on_text, stop: session.chat.ask(line, on_text, stop))


def find_dropped_image(line: str) -> str | None:
    """Return the path if a line is the path of an image file and nothing else.

    Terminals paste the path of a dropped file plain, quoted, with backslashes, or as a file:// URL.
    """
    text = line.strip()
    if not text or len(text) > MAX_PATH_LENGTH or "\n" in text:
        return None
    try:
        words = shlex.split(text)
    except ValueError:  # an unclosed quote
        words = []
    for name in (text, words[0] if len(words) == 1 else text):
        path = unquote(name[7:]) if name.startswith("file://") else os.path.expanduser(name)
        if path.lower().endswith(image_suffixes()) and os.path.isfile(path):
            return path
    return None
