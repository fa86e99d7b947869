"""`vipllava chat`: a conversation about an image."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    OUTPUT_PANEL,
    AnswerOptions,
    MarkOptions,
    ModelOptions,
    OutputOptions,
)
from vipllava_cli.errors import ExitCode, InputError, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.repl.session import Autosave, LineInput
    from vipllava_cli.cli.terminal.answers import AnswerRenderer
    from vipllava_cli.cli.terminal.messages import Messages

SESSION_PANEL = "SavedChat"
HISTORY = "history"


def _session(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=SESSION_PANEL, **more)


@command
def chat(
    image: Annotated[
        str | None, typer.Argument(help="A file or an http(s) address; /image gives another.")
    ] = None,
    zoom: Annotated[
        bool, typer.Option("--zoom", help="Look only at the marks and what is around them.")
    ] = False,
    save: Annotated[
        str | None, _session("Keep the conversation in this file.", "--save", metavar="FILE")
    ] = None,
    resume: Annotated[
        str | None, _session("Go on with a saved conversation.", "--resume", metavar="FILE")
    ] = None,
    last: Annotated[bool, _session("Go on with the last conversation.", "--continue")] = False,
    no_history: Annotated[
        bool, _session("Remember neither lines nor the conversation.", "--no-history")
    ] = False,
    plain: Annotated[
        bool,
        typer.Option(
            "--plain",
            help="For screen readers: no colour, no spinner, no redrawing.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = False,
    *,
    marks: MarkOptions,
    model: ModelOptions,
    answer: AnswerOptions,
    output: OutputOptions,
) -> ExitCode:
    """Talk about an image; without a terminal, one question a line.

    vipllava chat street.jpg --box 120,80,340,300
    """
    from dataclasses import replace

    from vipllava_cli.cli.marked_image import open_marked_image
    from vipllava_cli.cli.model_loading import open_model
    from vipllava_cli.cli.repl.loop import start_conversation
    from vipllava_cli.cli.repl.session import ChatSession
    from vipllava_cli.cli.repl.slash_commands import (
        describe_image,
        show_history,
        warn_small_mark,
    )
    from vipllava_cli.cli.terminal.messages import plain_console
    from vipllava_cli.flows.chat.chat import Chat, ChatSettings, ChatState
    from vipllava_cli.flows.chat.session_file import read_session
    from vipllava_cli.flows.chat.session_file import resume as resume_session
    from vipllava_cli.storage.files import STANDARD_INPUT

    typed = sys.stdin is not None and sys.stdin.isatty()
    plain = plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    messages = output.messages()
    if plain:
        messages = replace(messages, console=plain_console())
    if image == STANDARD_INPUT:
        raise UsageError("questions come from stdin: give the image as a file")
    earlier = _earlier(resume, last)
    if image is None and earlier is None and marks.specs():
        raise UsageError("marks need an image to be on: vipllava chat IMAGE --box …")
    remember = typed and not no_history
    autosave = _keeper(save, resume, messages, remember=remember)
    saved = None if earlier is None else read_session(earlier)
    state = ChatState(zoom=zoom)
    if image is not None:
        state = ChatState(open_marked_image(image, marks, messages), zoom)

    engine = open_model(model, messages)
    settings = ChatSettings(
        answer.template.value, answer.options(), marks.units.value, marks.style()
    )
    talking = Chat(engine, messages.note, state, settings)
    if saved is not None:
        resumed = resume_session(saved, engine.info.name)
        for note in resumed.notes:
            messages.note(note)
        talking.state = replace(resumed.state, zoom=zoom or resumed.state.zoom)
        if image is not None:
            talking.update_state(replace(talking.state, marked=state.marked))
        else:
            for spec in marks.specs():
                talking.add(spec)
    renderer, reader = _face(messages, plain=plain, typed=typed, remember=remember)
    session = ChatSession(talking, messages, renderer, reader, autosave, plain, typed)
    if typed and saved is not None:
        show_history(session)
    elif typed:
        messages.say(f"{describe_image(talking.state)}; /help lists the commands")
    warn_small_mark(session)
    return start_conversation(session)


def _earlier(resume: str | None, last: bool) -> str | None:
    """The file of the conversation to go on with."""
    from vipllava_cli.cli.repl.session import LAST_SESSION
    from vipllava_cli.storage.folders import state_folder

    if not last:
        return resume
    if resume is not None:
        raise UsageError(
            "--resume names a file and --continue takes the last one: give one of them"
        )
    path = state_folder() / LAST_SESSION
    if not path.exists():
        raise InputError("there is no last conversation to go on with: begin one")
    return str(path)


def _keeper(
    save: str | None, resume: str | None, messages: "Messages", *, remember: bool
) -> "Autosave":
    """Where the conversation is kept; refuses, before any work is done, what cannot be written."""
    from vipllava_cli.cli.repl.session import Autosave
    from vipllava_cli.storage.files import check_writable

    if save is not None:
        same = resume is not None and os.path.realpath(save) == os.path.realpath(resume)
        if os.path.lexists(save) and not same:
            raise InputError(
                f"{save} exists already: give another name, or go on with --resume {save}"
            )
        check_writable(save, force=True)
    return Autosave(messages, save, remember)


def _face(
    messages: "Messages", *, plain: bool, typed: bool, remember: bool
) -> tuple["AnswerRenderer", "LineInput"]:
    """Who speaks and who listens: for a pipe, plainly, or with all that a terminal can do."""
    from vipllava_cli.cli.repl.plain_input import Lines, TypedLines
    from vipllava_cli.cli.terminal.answers import LineRenderer, PlainRenderer, TerminalRenderer
    from vipllava_cli.storage.folders import private_file

    if not typed:
        return LineRenderer(), Lines()
    if plain:
        return PlainRenderer(), TypedLines()
    from vipllava_cli.cli.repl.prompt import TerminalPrompt
    from vipllava_cli.cli.repl.slash_commands import SLASH_COMMANDS

    history = None
    if remember:
        try:
            history = private_file(HISTORY)
        except InputError as error:
            messages.note(f"there is no history: {error}")
    follows = {name: slash.follows for name, slash in SLASH_COMMANDS.items()}
    return TerminalRenderer(messages), TerminalPrompt(follows, history, messages.note)
