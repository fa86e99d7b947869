"""A conversation with a model of another family."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch

from vipllava_cli.engine.base import ModelView, Prompt, Reply
from vipllava_cli.engine.local.conversation import LocalConversation
from vipllava_cli.engine.local.decoding import DecodeRequest
from vipllava_cli.engine.local.streaming import Stream
from vipllava_cli.engine.local.token_generation import generate_tokens
from vipllava_cli.engine.local.tokenization import CONTEXT_LENGTH
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn
from vipllava_cli.errors import ModelError

if TYPE_CHECKING:
    from vipllava_cli.engine.local.family_inputs import FamilyInputs


# Around the number that stands for an answer: a character for private use, which no question has.
_MARK = "\ue000"


class FamilyConversation(LocalConversation):
    """Implements `Conversation`. Without a prefix cache, each turn reads the complete prompt."""

    _inputs: "FamilyInputs"

    def __init__(self, inputs: "FamilyInputs") -> None:
        super().__init__(inputs)
        self._view: ModelView | None = None

    def count(
        self,
        turns: Sequence[Turn],
        template: str = DEFAULT_TEMPLATE,
        view: ModelView | None = None,
    ) -> int:
        """See `Conversation.count`."""
        self._view = view or self._view
        return super().count(turns, template)

    def answer(self, view: ModelView, turns: Sequence[Turn], **options: Any) -> Reply:
        """See `Conversation.answer`."""
        self._view = view
        return super().answer(view, turns, **options)

    # --- generation ----------------------------------------------------------------------------

    def _generate(
        self,
        prompt: Prompt,
        options: GenerationOptions,
        stream: Stream,
        stop: Callable[[], bool] | None,
    ) -> int:
        inputs = self._inputs
        if not inputs.plain_reason:
            return super()._generate(prompt, options, stream, stop)
        ids = torch.tensor([prompt.ids])
        request = DecodeRequest(
            ids,
            None,
            inputs.max_new_tokens_for(prompt, options),
            options,
            images=inputs.image_inputs([prompt.view], ids, stream.start_tokens),
            stream=stream,
            stop=stop,
        )
        generate_tokens(inputs, request)
        return 0

    # --- tokens ----------------------------------------------------------------------------------

    def encode_turns(
        self, turns: Sequence[Turn], template: str = DEFAULT_TEMPLATE
    ) -> tuple[int, ...]:
        """See `LocalConversation.encode_turns`. The template sees the whole conversation.

        The answers' own tokens take the place of words that stand for them.
        """
        inputs = self._inputs
        inputs.info.template_for(template)
        lead = inputs.before_answer
        first, *later = self._texts_between_answers(turns)
        ids = list(inputs.encode(first.removesuffix(lead) if later else first))
        for previous, text in zip(turns, later, strict=False):
            ids += self.answer_tokens(previous, lead)
            is_last = text is later[-1]
            before = (lead + (previous.answer or ""))[-CONTEXT_LENGTH:]
            ids += self.tokens_after(before, text if is_last else text.removesuffix(lead))
        return (*ids, *self.answer_tokens(turns[-1], lead))

    def _texts_between_answers(self, turns: Sequence[Turn]) -> list[str]:
        """Return the text before the first answer and after each answer but the last turn's."""
        *answered, last = turns
        words = [f"{_MARK}{number}{_MARK}" for number in range(1, len(turns))]
        named = (Turn(turn.question, word) for turn, word in zip(answered, words, strict=True))
        text = self._inputs.render((*named, Turn(last.question)))
        if self._view is not None:
            text = self._inputs.expand(self._view, text)
        texts = []
        for word in words:
            before, found, text = text.partition(word)
            if not found:
                raise ModelError(
                    f"the chat template of {self._inputs.info.name} does not keep earlier answers:"
                    " ask each question in a conversation of its own"
                )
            texts.append(before)
        return [*texts, text]
