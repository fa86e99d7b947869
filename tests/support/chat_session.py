"""A chat session with the stand-in for the model, and with lines from a list."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.console import Console

from tests.support.fake_engine import FakeEngine
from vipllava_cli.cli.repl.loop import run_chat
from vipllava_cli.cli.repl.session import Autosave, ChatSession
from vipllava_cli.cli.terminal.answers import LineRenderer
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.errors import ExitCode
from vipllava_cli.flows.chat.chat import Chat
from vipllava_cli.flows.chat.state import ChatState


@dataclass
class ListInput:
    """Returns lines from a list. Says yes to every question, and keeps the questions."""

    lines: Iterator[str] = field(default_factory=lambda: iter(()))
    questions: list[str] = field(default_factory=list)

    def read(self) -> str:
        line = next(self.lines, None)
        if line is None:
            raise EOFError
        return line

    def confirm(self, question: str) -> bool:
        self.questions.append(question)
        return True


class FakeSession:
    """An interactive chat session that takes lines and returns what it prints on stderr."""

    def __init__(self, state: ChatState) -> None:
        self.printed, self.input = io.StringIO(), ListInput()
        messages = Messages(console=Console(file=self.printed, width=200, soft_wrap=True))
        self.chat = Chat(FakeEngine(), messages.note, state)
        self.session = ChatSession(
            self.chat,
            messages,
            LineRenderer(),
            self.input,
            Autosave(messages),
            is_plain=True,
            is_interactive=True,
        )

    def enter(self, *lines: str) -> str:
        """Run the chat loop over these lines."""
        start = len(self.printed.getvalue())
        self.input.lines = iter(lines)
        assert run_chat(self.session) is ExitCode.DONE
        return self.printed.getvalue()[start:]
