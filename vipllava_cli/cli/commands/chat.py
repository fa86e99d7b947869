"""`vipllava chat`: a conversation about a picture."""

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import (
    OUTPUT_PANEL,
    AnswerFlags,
    MarkFlags,
    ModelFlags,
    OutputFlags,
)
from vipllava_cli.errors import ExitCode, InputError, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.repl.session import Keeper, Reader
    from vipllava_cli.cli.terminal.answers import Speaker
    from vipllava_cli.cli.terminal.messages import Messages

SESSION_PANEL = "Session"
HISTORY = "history"


def _session(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=SESSION_PANEL, **more)


@command
def chat(
    picture: Annotated[
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
    marks: MarkFlags,
    model: ModelFlags,
    answer: AnswerFlags,
    output: OutputFlags,
) -> ExitCode:
    """Talk about a picture; without a terminal, one question a line.

    vipllava chat street.jpg --box 120,80,340,300
    """
    from dataclasses import replace

    from vipllava_cli.cli.marked_image import mark_picture
    from vipllava_cli.cli.model_loading import open_model
    from vipllava_cli.cli.repl.loop import converse
    from vipllava_cli.cli.repl.session import Room
    from vipllava_cli.cli.repl.slash_commands import (
        described_picture,
        tell_so_far,
        warn_of_small_mark,
    )
    from vipllava_cli.cli.terminal.messages import plain_console
    from vipllava_cli.flows.chat.chat import Chat, Settings, Talk
    from vipllava_cli.flows.chat.session_file import read_session
    from vipllava_cli.flows.chat.session_file import resume as resume_session
    from vipllava_cli.images.fetch import STANDARD_INPUT

    typed = sys.stdin is not None and sys.stdin.isatty()
    plain = plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    messages = output.messages()
    if plain:
        messages = replace(messages, console=plain_console())
    if picture == STANDARD_INPUT:
        raise UsageError("questions come from stdin: give the picture as a file")
    earlier = _earlier(resume, last)
    if picture is None and earlier is None and marks.specs():
        raise UsageError("marks need a picture to be on: vipllava chat PICTURE --box …")
    remember = typed and not no_history
    keeper = _keeper(save, resume, messages, remember=remember)
    session = None if earlier is None else read_session(earlier)
    talk = Talk(zoom=zoom)
    if picture is not None:
        talk = Talk(mark_picture(picture, marks, messages), zoom)

    engine = open_model(model, messages)
    settings = Settings(
        answer.template.value, answer.options(), marks.units.value, marks.width, marks.alpha
    )
    talking = Chat(engine, messages.note, talk, settings)
    if session is not None:
        resumed = resume_session(session, engine.info.name)
        for note in resumed.notes:
            messages.note(note)
        talking.talk = replace(resumed.talk, zoom=zoom or resumed.talk.zoom)
        if picture is not None:
            talking.go_on(replace(talking.talk, marked=talk.marked))
        else:
            for spec in marks.specs():
                talking.add(spec)
    speaker, reader = _face(messages, plain=plain, typed=typed, remember=remember)
    room = Room(talking, messages, speaker, reader, keeper, plain, typed)
    if typed and session is not None:
        tell_so_far(room)
    elif typed:
        messages.say(f"{described_picture(talking.talk)}; /help lists the commands")
    warn_of_small_mark(room)
    return converse(room)


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
) -> "Keeper":
    """Where the conversation is kept; refuses, before any work is done, what cannot be written."""
    from vipllava_cli.cli.repl.session import Keeper
    from vipllava_cli.storage.files import check_place

    if save is not None:
        same = resume is not None and os.path.realpath(save) == os.path.realpath(resume)
        if os.path.lexists(save) and not same:
            raise InputError(
                f"{save} exists already: give another name, or go on with --resume {save}"
            )
        check_place(save, force=True)
    return Keeper(messages, save, remember)


def _face(
    messages: "Messages", *, plain: bool, typed: bool, remember: bool
) -> tuple["Speaker", "Reader"]:
    """Who speaks and who listens: for a pipe, plainly, or with all that a terminal can do."""
    from vipllava_cli.cli.repl.plain_input import Lines, TypedLines
    from vipllava_cli.cli.terminal.answers import LineSpeaker, PlainSpeaker, TerminalSpeaker
    from vipllava_cli.storage.folders import private_file

    if not typed:
        return LineSpeaker(), Lines()
    if plain:
        return PlainSpeaker(), TypedLines()
    from vipllava_cli.cli.repl.prompt import TerminalPrompt
    from vipllava_cli.cli.repl.slash_commands import SLASHES

    history = None
    if remember:
        try:
            history = private_file(HISTORY)
        except InputError as error:
            messages.note(f"there is no history: {error}")
    follows = {name: slash.follows for name, slash in SLASHES.items()}
    return TerminalSpeaker(messages), TerminalPrompt(follows, history, messages.note)
