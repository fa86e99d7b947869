"""The chat loop: read a line; run a command, open an image, or answer a question."""

from vipllava_cli.cli.repl.image_commands import ask_about_image, change_image
from vipllava_cli.cli.repl.plain_input import LineAbandoned
from vipllava_cli.cli.repl.session import ChatSession
from vipllava_cli.cli.repl.slash_commands import run_slash_command
from vipllava_cli.cli.repl.turn_commands import show_answer
from vipllava_cli.cli.repl.typed_paths import find_missing_image, split_image
from vipllava_cli.cli.repl.unknown_commands import BARE_WORDS
from vipllava_cli.errors import ExitCode, VipllavaError
from vipllava_cli.images.source import display_name


def run_chat(session: ChatSession) -> ExitCode:
    """Handle lines until Ctrl-D, the end of stdin, /exit, or a second Ctrl-C at the prompt."""
    interrupted = False
    while True:
        try:
            line = session.input.read()
            interrupted = False
            _handle_line(session, line)
        except EOFError:
            return session.exit_code
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
    command = BARE_WORDS.get(line.strip().lower())
    if command:
        run_slash_command(session, command)
        return
    found = split_image(line)
    if found is not None:
        _open_found_image(session, *found)
    elif line.lstrip().startswith("/"):
        run_slash_command(session, line)
    else:
        missing = find_missing_image(line)
        if missing:
            session.messages.note(f"there is no file {missing}: its name is part of the question")
        show_answer(session, lambda on_text, stop: session.chat.ask(line, on_text, stop))


def _open_found_image(session: ChatSession, source: str, question: str) -> None:
    """Open an image that a line names. Without a question it was dropped, maybe by accident."""
    if question:
        ask_about_image(session, source, question)
    elif session.input.confirm(f"open {display_name(source)}?"):
        change_image(session, source)
