"""What a conversation in the terminal has at hand: who speaks, who listens, where it is kept."""

import os
from dataclasses import dataclass
from typing import Protocol

from vipllava_cli.cli.terminal.answers import AnswerRenderer
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.flows.chat.chat import Chat, ChatState
from vipllava_cli.flows.chat.session_file import write_session
from vipllava_cli.storage.files import check_writable
from vipllava_cli.storage.folders import private_file

LAST_SESSION = "last-chat.json"


class LineInput(Protocol):
    """Where lines come from."""

    def read(self) -> str:
        """What was typed. Raises EOFError at the end."""
        ...

    def confirm(self, question: str) -> bool:
        """Whether the user says yes."""
        ...


@dataclass
class Autosave:
    """Writes the conversation down after each step: to `file`, which was asked for, and to that of the
    state folder, from where --continue goes on, if there is something to `remember`.
    """

    messages: Messages
    file: str | None = None
    remember: bool = False

    def save(self, state: ChatState) -> None:
        """Write it where it is kept. What cannot be written is said, and not tried again."""
        if self.file:
            try:
                write_session(state, self.file)
            except InputError as error:
                self.messages.error(str(error))
                self.file = None
        if self.remember and state.turns:
            try:
                write_session(state, str(private_file(LAST_SESSION)), private=True)
            except InputError as error:
                self.messages.error(str(error))
                self.remember = False

    def save_to(self, name: str, state: ChatState) -> None:
        """Write it to another file, from now on. Raises UsageError, InputError."""
        known = self.file is not None and os.path.realpath(name) == os.path.realpath(self.file)
        if os.path.lexists(name) and not known:
            raise UsageError(f"{name} exists already: give another name")
        check_writable(name, force=True)
        write_session(state, name)
        self.file = name


@dataclass
class ChatSession:
    """A conversation with all that is around it. Without a terminal, the first error ends it."""

    chat: Chat
    messages: Messages
    renderer: AnswerRenderer
    reader: LineInput
    autosave: Autosave
    plain: bool
    typed: bool
