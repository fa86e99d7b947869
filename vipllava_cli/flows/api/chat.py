"""A conversation about an image, in Python."""

from __future__ import annotations

from collections.abc import Sequence

from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.references import DRAWN, Reference
from vipllava_cli.flows.api.checks import check_question
from vipllava_cli.flows.api.inputs import MarkInput, mark_spec
from vipllava_cli.flows.api.response import Response, to_response
from vipllava_cli.flows.chat.chat import Chat, ChatSettings
from vipllava_cli.flows.chat.state import ChatState


class ImageChat:
    """A conversation about an image. Make one with `Model.chat`."""

    def __init__(
        self,
        engine: Engine,
        state: ChatState,
        template: str,
        options: GenerationOptions,
        notes: Sequence[str],
        reference: Reference = DRAWN,
    ) -> None:
        self._notes = list(notes)
        settings = ChatSettings(template, options, reference=reference)
        self._chat = Chat(engine, self._notes.append, state, settings)

    def ask(self, question: str) -> Response:
        """Ask the next question. Raises UsageError, InputError, GenerationError."""
        turn = self._chat.ask(check_question(question))
        assert turn is not None  # noqa: S101 - only `stop` makes it None
        notes, self._notes[:] = tuple(self._notes), []
        return to_response(turn.record, notes)

    def add_mark(self, mark: MarkInput) -> None:
        """Draw one more mark and keep the conversation. Raises InputError."""
        size = self._chat.state.marked_image.file.size
        self._chat.add_mark(mark_spec(mark, size))

    @property
    def responses(self) -> list[Response]:
        """All answers so far."""
        return [to_response(turn.record) for turn in self._chat.state.turns]
