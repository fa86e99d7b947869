"""A conversation with a model on a server. Each question sends all turns, and the image."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from vipllava_cli.engine.base import NO_LIMIT, Answer, ModelView
from vipllava_cli.engine.base import Reply as TurnReply
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.engine.server.completion import Completion, parse_completion
from vipllava_cli.engine.server.engine import check_template, parameters, user_message
from vipllava_cli.engine.server.shown_text import ShownText

if TYPE_CHECKING:
    from vipllava_cli.engine.server.engine import Message, ServerEngine

_CHARACTERS_PER_TOKEN = 4  # of English; the server does not count before it answers
_CONTINUE = "Continue your answer exactly where it stopped, without repeating any of it."


class ServerConversation:
    """Implements `Conversation`. The server knows its own limit."""

    def __init__(self, engine: "ServerEngine") -> None:
        self._engine = engine
        self.max_tokens = NO_LIMIT

    def count(
        self,
        turns: Sequence[Turn],
        template: str = DEFAULT_TEMPLATE,
        view: ModelView | None = None,
    ) -> int:
        """Estimate the tokens of the turns, without the image."""
        texts = (text for turn in turns for text in (turn.question, turn.answer or ""))
        return sum(map(len, texts)) // _CHARACTERS_PER_TOKEN

    def answer(
        self,
        view: ModelView,
        turns: Sequence[Turn],
        *,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> TurnReply:
        """See `Conversation.answer`."""
        engine, start = self._engine, time.perf_counter()
        check_template(template, engine.info.name)
        before = turns[-1].answer or ""
        shown = ShownText(on_text or _discard, stop)
        try:
            completion, reply = engine.request(
                lambda side: _messages(turns, view, side),
                parameters(options, streams=True),
                shown.start_reply,
            )
        except KeyboardInterrupt:  # keep the text so far
            reply = shown.reply or shown.start_reply()
            completion, reply.is_stopped = parse_completion(reply.stopped_body()), True
        if not reply.is_stopped:
            engine.check_answered(completion, options)
            shown.finish(completion.text)
        answer = Answer(
            _join(before, completion.text),
            "stopped" if reply.is_stopped else completion.finish_reason,
            completion.prompt_tokens,
            _answer_tokens(completion),
            time.perf_counter() - start,
        )
        first = (reply.first_piece_time or time.perf_counter()) - start
        return TurnReply(answer, (), completion.prompt_tokens, first)


def _messages(turns: Sequence[Turn], view: ModelView, side: int | None) -> "list[Message]":
    """Return the messages. The first one carries the image."""
    messages: list[Message] = []
    for number, turn in enumerate(turns):
        messages.append(user_message(turn.question, None if number else view, side))
        if turn.answer is not None:
            messages.append({"role": "assistant", "content": turn.answer})
    if turns[-1].answer is not None:
        messages.append(user_message(_CONTINUE, None, side))
    return messages


def _join(before: str, text: str) -> str:
    return f"{before} {text}".strip() if before and text else before or text


def _answer_tokens(completion: Completion) -> int:
    """Return the tokens of the answer; an estimate for a stopped one."""
    return completion.answer_tokens or -(-len(completion.text) // _CHARACTERS_PER_TOKEN)


def _discard(text: str) -> None:
    pass
