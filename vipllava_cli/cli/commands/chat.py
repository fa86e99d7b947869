"""`vipllava chat`: a conversation about an image."""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.mark_style_options import MarkStyleName, MarkStyleOption
from vipllava_cli.cli.options import (
    AnswerOptions,
    Frame,
    MarkOptions,
    ModelOptions,
    OutputOptions,
    ValueWindow,
    Zoom,
    output_flag,
)
from vipllava_cli.cli.server_options import ServerFlags
from vipllava_cli.errors import ExitCode, InputError, UsageError
from vipllava_cli.images.window import parse_window

if TYPE_CHECKING:
    from vipllava_cli.cli.repl.session import Autosave, ChatSession, LineInput
    from vipllava_cli.cli.terminal.answers import AnswerRenderer
    from vipllava_cli.cli.terminal.keyboard import Keyboard
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.prompts.references import Reference
    from vipllava_cli.flows.chat.chat import Chat
    from vipllava_cli.flows.chat.session_file import SavedChat
    from vipllava_cli.flows.chat.state import ChatState
    from vipllava_cli.images.window import Window

SESSION_PANEL = "Session"
HISTORY = "history"


def _session(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=SESSION_PANEL, **more)


@command
def chat(
    image: Annotated[
        str | None,
        typer.Argument(help="Image file, http(s) address or clipboard: (/image opens another)."),
    ] = None,
    save: Annotated[
        str | None, _session("Save the conversation to FILE.", "--save", metavar="FILE")
    ] = None,
    resume: Annotated[
        str | None,
        _session(
            "Resume the conversation saved in FILE; with --save FILE, it gets the later turns.",
            "--resume",
            metavar="FILE",
        ),
    ] = None,
    resume_last: Annotated[bool, _session("Resume the last conversation.", "--continue")] = False,
    no_history: Annotated[
        bool, _session("Store neither the input history nor the conversation.", "--no-history")
    ] = False,
    *,
    marks: MarkOptions,
    mark_style: MarkStyleOption = MarkStyleName.auto,
    frame: Frame = None,
    window: ValueWindow = None,
    zoom: Zoom = False,
    model: ModelOptions,
    server: ServerFlags,
    answer: AnswerOptions,
    plain: Annotated[
        bool, output_flag("For screen readers: no colour, no spinner, no redrawing.", "--plain")
    ] = False,
    output: OutputOptions,
) -> ExitCode:
    """Talk about an image. Without a terminal, each line of stdin is a question.

    vipllava chat street.jpg --box 120,80,340,300
    """
    from vipllava_cli.cli.terminal.keyboard import hidden_typing
    from vipllava_cli.cli.terminal.messages import plain_console

    is_interactive = sys.stdin is not None and sys.stdin.isatty()
    is_plain = plain or not sys.stdout.isatty() or os.environ.get("TERM") == "dumb"
    messages = output.messages()
    if is_plain:
        messages = replace(messages, console=plain_console())
    with hidden_typing(is_interactive=is_interactive, is_plain=is_plain) as keyboard:
        # These imports take long enough for a person to type something.
        from vipllava_cli.cli.marked_image import open_marked_image
        from vipllava_cli.cli.model_loading import choose_mark_style
        from vipllava_cli.cli.repl.loop import run_chat
        from vipllava_cli.cli.repl.session import ChatSession
        from vipllava_cli.flows.chat.session_file import read_session
        from vipllava_cli.flows.chat.state import ChatState
        from vipllava_cli.storage.files import STANDARD_INPUT

        if image == STANDARD_INPUT:
            raise UsageError("chat reads questions from stdin: give the image as a file")
        session_file = _session_to_resume(resume, resume_last)
        if image is None and session_file is None and marks.specs():
            raise UsageError("marks need an image: vipllava chat IMAGE --box …")
        if image is None and frame is not None:
            raise UsageError("--frame needs an image: vipllava chat IMAGE --frame N")
        shown = parse_window(window)
        keep_history = is_interactive and not no_history
        autosave = _open_autosave(save, resume, messages, keep_last=keep_history)
        saved = None if session_file is None else read_session(session_file)
        state = ChatState(zoom=zoom)
        if image is not None:
            state = ChatState(open_marked_image(image, marks, messages, frame, shown), zoom)
        reference = choose_mark_style(mark_style.value, model)
        conversation = _open_chat(state, marks, messages, model, server, answer, shown, reference)
        if saved is not None:
            _resume(conversation, saved, marks)
        renderer, line_input = _open_terminal(
            messages,
            keyboard,
            is_plain=is_plain,
            is_interactive=is_interactive,
            keep_history=keep_history,
        )
        session = ChatSession(
            conversation, messages, renderer, line_input, autosave, is_plain, is_interactive
        )
        _greet(session, is_resumed=saved is not None)
        return run_chat(session)


def _open_chat(
    state: "ChatState",
    marks: MarkOptions,
    messages: "Messages",
    model: ModelOptions,
    server: ServerFlags,
    answer: AnswerOptions,
    window: "Window | None",
    reference: "Reference",
) -> "Chat":
    """Load the model. Raises UsageError, ModelError."""
    from vipllava_cli.cli.model_loading import open_model
    from vipllava_cli.flows.chat.chat import Chat, ChatSettings

    engine = open_model(model, messages, server)
    settings = ChatSettings(
        answer.template.value,
        answer.options(),
        marks.units.value,
        marks.style(),
        window,
        reference,
    )
    return Chat(engine, messages.note, state, settings)


def _greet(session: "ChatSession", *, is_resumed: bool) -> None:
    """Print what the conversation is about."""
    from vipllava_cli.cli.repl.image_commands import (
        describe_image,
        note_small_mark,
        warn_of_photograph,
    )
    from vipllava_cli.cli.repl.session_commands import show_history

    if session.is_interactive and is_resumed:
        show_history(session)
    elif session.is_interactive:
        session.messages.say(f"{describe_image(session.chat.state)}; /help lists the commands")
    note_small_mark(session)
    warn_of_photograph(session)


def _session_to_resume(resume: str | None, resume_last: bool) -> str | None:
    """Return the session file of `--resume` or `--continue`, if any. Raises UsageError, InputError."""
    from vipllava_cli.cli.repl.session import LAST_SESSION
    from vipllava_cli.storage.folders import state_folder

    if not resume_last:
        return resume
    if resume is not None:
        raise UsageError("--resume and --continue exclude each other: give one of them")
    path = state_folder() / LAST_SESSION
    if not path.exists():
        raise InputError(
            "--continue found no last conversation: start one with vipllava chat IMAGE"
        )
    return str(path)


def _resume(conversation: "Chat", saved: "SavedChat", marks: MarkOptions) -> None:
    """Continue from a session file. An image on the command line replaces the saved one; without
    an image, the marks of the command line are added to the saved ones.
    """
    from vipllava_cli.flows.chat.session_file import resume_chat

    given = conversation.state
    resumed = resume_chat(saved, conversation.engine.info.name)
    for note in resumed.notes:
        conversation.note(note)
    conversation.state = replace(resumed.state, zoom=given.zoom or resumed.state.zoom)
    if conversation.settings.window is None:
        conversation.settings = replace(conversation.settings, window=saved.window)
    elif given.marked is None:
        conversation.change_window(conversation.settings.window)
    if given.marked is not None:
        conversation.update_state(replace(conversation.state, marked=given.marked))
        return
    for spec in marks.specs():
        conversation.add_mark(spec)


def _open_autosave(
    save: str | None, resume: str | None, messages: "Messages", *, keep_last: bool
) -> "Autosave":
    """Check `--save` before the model loads. Raises InputError if the file cannot be written."""
    from vipllava_cli.cli.repl.session import Autosave
    from vipllava_cli.storage.outputs import check_writable

    if save is not None:
        is_resumed = resume is not None and os.path.realpath(save) == os.path.realpath(resume)
        if os.path.lexists(save) and not os.path.isdir(save) and not is_resumed:
            raise InputError(
                f"{save} already exists: give another name, or add --resume {shlex.quote(save)} to"
                " continue that conversation"
            )
        check_writable(save)
    return Autosave(messages, save, keep_last)


def _open_terminal(
    messages: "Messages",
    keyboard: "Keyboard",
    *,
    is_plain: bool,
    is_interactive: bool,
    keep_history: bool,
) -> tuple["AnswerRenderer", "LineInput"]:
    """Choose how to show answers and read lines: for a pipe, plainly, or on a full terminal."""
    from vipllava_cli.cli.repl.plain_input import PipeInput, PlainInput
    from vipllava_cli.cli.terminal.answers import LineRenderer, PlainRenderer, TerminalRenderer

    if not is_interactive:
        return LineRenderer(), PipeInput()
    if is_plain:
        return PlainRenderer(), PlainInput(keyboard)
    from vipllava_cli.cli.repl.prompt import TerminalPrompt
    from vipllava_cli.cli.repl.slash_commands import SLASH_COMMANDS

    completions = {name: command.words for name, command in SLASH_COMMANDS.items()}
    history = _open_history(messages) if keep_history else None
    prompt = TerminalPrompt(completions, history, messages.note, keyboard)
    return TerminalRenderer(messages), prompt


def _open_history(messages: "Messages") -> Path | None:
    """Return the history file, or print a note and return None if it cannot be written."""
    from vipllava_cli.storage.folders import private_file

    try:
        return private_file(HISTORY)
    except InputError as error:
        messages.note(f"the input history is not stored: {error}")
        return None
