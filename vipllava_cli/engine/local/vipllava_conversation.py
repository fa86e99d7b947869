"""A conversation with ViP-LLaVA: the text of a turn depends only on the question before it."""

from collections.abc import Sequence
from functools import lru_cache

from vipllava_cli.engine.local.conversation import LocalConversation
from vipllava_cli.engine.local.tokenization import CONTEXT_LENGTH
from vipllava_cli.engine.local.vipllava_inputs import VipLlavaInputs
from vipllava_cli.engine.options import DEFAULT_TEMPLATE
from vipllava_cli.engine.prompts.templates import Turn


class VipLlavaConversation(LocalConversation):
    """Implements `Conversation` for ViP-LLaVA."""

    _inputs: VipLlavaInputs

    def __init__(self, inputs: VipLlavaInputs) -> None:
        super().__init__(inputs)
        self._texts_around_answer = lru_cache(maxsize=4096)(inputs.texts_around_answer)
        self._encode = lru_cache(maxsize=8)(inputs.encode)  # each turn repeats the first prompt

    def encode_turns(
        self, turns: Sequence[Turn], template: str = DEFAULT_TEMPLATE
    ) -> tuple[int, ...]:
        """See `LocalConversation.encode_turns`."""
        first, *later = turns
        prompt = self._inputs.format_first_prompt(first.question, template)
        ids = list(self._encode(prompt))
        previous = first
        for turn in later:
            lead, question = self._texts_around_answer(previous.question, turn.question, template)
            ids += self.answer_tokens(previous, lead)
            ids += self.tokens_after((lead + (previous.answer or ""))[-CONTEXT_LENGTH:], question)
            previous = turn
        return (*ids, *self.answer_tokens(previous))
