"""A chat session: the conversation with its line input, its answer renderer and its autosave."""

import os
from dataclasses import dataclass
from typing import Protocol

from vipllava_cli.cli.photo_warning import PhotoWarning
from vipllava_cli.cli.terminal.answers import AnswerRenderer
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import ExitCode, InputError, UsageError
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.session_file import write_session
from vipllava_cli.flows.chat.state import ChatState
from vipllava_cli.storage.folders import private_file
from vipllava_cli.storage.outputs import check_writable, file_identity, is_one_place

LAST_SESSION = "last-chat.json"


class LineInput(Protocol):
    """A source of lines: stdin, or a prompt on a terminal."""

    def read(self) -> str:
        """Return the next line. Raises EOFError at the end, KeyboardInterrupt at Ctrl-C."""
        ...

    def confirm(self, question: str) -> bool:
        """Ask the user a yes-or-no question."""
        ...


@dataclass
class Autosave:
    """Saves the conversation after each change.

    `file` is the file of `--save` or `/save`. With `keep_last`, a conversation that has turns also
    goes to the state folder, where `--continue` finds it. `lacks_turns`: `file` could not be written.
    """

    messages: Messages
    file: str | None = None
    keep_last: bool = False
    lacks_turns: bool = False

    def __post_init__(self) -> None:
        self._left = file_identity(self.file) if self.file else None

    def save(self, state: ChatState) -> None:
        """Save. If a file cannot be written, print an error once and stop saving to it."""
        if self.file:
            try:
                self._write(state, self.file)
            except InputError as error:
                self.messages.error(str(error))
                self.file = None
                self.lacks_turns = True
        if self.keep_last and state.turns:
            try:
                write_session(state, str(private_file(LAST_SESSION)), private=True)
            except InputError as error:
                self.messages.error(str(error))
                self.keep_last = False

    def save_to(self, name: str, state: ChatState) -> None:
        """Save to this file from now on. Raises UsageError if it exists, InputError otherwise."""
        is_own = self.file is not None and is_one_place(name, self.file)
        if os.path.lexists(name) and not is_own:
            raise UsageError(f"{name} already exists: give another name")
        check_writable(name)
        if not is_own:
            self._left = None
        self._write(state, name)
        self.file = name
        self.lacks_turns = False

    def _write(self, state: ChatState, name: str) -> None:
        """Write the session file. Raises InputError, also if another program has changed it."""
        found = file_identity(name)
        if found not in (None, self._left):
            raise InputError(
                f"{name} was changed by another program, so it no longer gets this conversation:"
                " /save NAME saves to another file"
            )
        write_session(state, name)
        self._left = file_identity(name)


@dataclass
class ChatSession:
    """A conversation and everything around it.

    `is_interactive`: a person types at a terminal. Otherwise the first error ends the session.
    `is_plain`: no colour, no images, no redrawing.
    """

    chat: Chat
    messages: Messages
    renderer: AnswerRenderer
    input: LineInput
    autosave: Autosave
    is_plain: bool
    is_interactive: bool

    def __post_init__(self) -> None:
        self.photo_warning = PhotoWarning(self.chat.engine.info.name)

    @property
    def exit_code(self) -> ExitCode:
        """The code of a session that ends now. A person has seen that a file lacks turns."""
        is_failed = self.autosave.lacks_turns and not self.is_interactive
        return ExitCode.INPUT if is_failed else ExitCode.DONE

    def save(self) -> None:
        """Save the conversation as it is now."""
        self.autosave.save(self.chat.state)
