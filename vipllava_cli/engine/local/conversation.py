"""A conversation with the local engine, with one prefix cache for all turns.

Each turn encodes its complete prompt and compares the token ids with the cached prefix. The model
prefills only the rest. New questions, undone turns, other images and dropped turns all take this path,
so an answer always equals that of a run over the complete prompt.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch

from vipllava_cli.engine.base import Answer, ModelView, Prompt, Reply
from vipllava_cli.engine.local.answer_end import (
    AnswerTokens,
    answer_text,
    contains_stop,
    stable_text,
)
from vipllava_cli.engine.local.decoding import DecodeRequest
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.prefix_cache import PrefixCache
from vipllava_cli.engine.local.streaming import Stream
from vipllava_cli.engine.local.token_generation import generate_tokens
from vipllava_cli.engine.local.tokenization import tokens_after
from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.engine.prompts.templates import Turn

# Characters that an interrupted answer's tokens may end with, and that its text lacks.
_UNSTABLE_ENDING = " \n\t#\ufffd"


class LocalConversation(ABC):
    """Implements `Conversation` with the engine's model and a prefix cache of its own.

    A subclass encodes the turns for a kind of model.
    """

    def __init__(self, inputs: ModelInputs) -> None:
        self._inputs = inputs
        self._tokenizer = inputs.tokenizer
        self._answer_end = inputs.answer_end
        self._prefix: PrefixCache | None = None
        self.tokens_after = lru_cache(maxsize=4096)(
            lambda before, text: tokens_after(inputs.tokenizer, before, text)
        )
        self.max_tokens: int = inputs.max_tokens

    def count(
        self,
        turns: Sequence[Turn],
        template: str = DEFAULT_TEMPLATE,
        view: ModelView | None = None,
    ) -> int:
        """See `Conversation.count`."""
        return len(self.encode_turns(turns, template))

    def answer(
        self,
        view: ModelView,
        turns: Sequence[Turn],
        *,
        template: str = DEFAULT_TEMPLATE,
        options: GenerationOptions = GREEDY,
        on_text: Callable[[str], None] | None = None,
        stop: Callable[[], bool] | None = None,
    ) -> Reply:
        """See `Conversation.answer`."""
        start = time.perf_counter()
        inputs = self._inputs
        prompt = Prompt(view, self.encode_turns(turns, template))
        inputs.check_prompt_length(len(prompt.ids))
        start_ids = self.answer_tokens(turns[-1])
        stream = Stream(self._tokenizer, on_text or _discard, start_ids, inputs.stops)
        prefill_tokens = 0
        is_interrupted = False
        try:
            cached = self._generate(prompt, options, stream, stop)
            prefill_tokens = len(prompt.ids) - cached
        except KeyboardInterrupt:  # in the model: keep the tokens so far, lose the cache
            is_interrupted = True
        trimmed = self._answer_end.trim((*start_ids, *stream.new_ids))
        is_stopped = is_interrupted or (stop is not None and stop())
        text, tokens = self._finish(trimmed)
        answer = Answer(
            text,
            "stop" if trimmed.is_complete else "stopped" if is_stopped else "length",
            len(prompt.ids) - len(start_ids),
            len(trimmed.ids),
            time.perf_counter() - start,
        )
        first_token_seconds = (stream.first_token_time or time.perf_counter()) - start
        return Reply(answer, tokens, prefill_tokens, first_token_seconds)

    @translate_errors()
    def _finish(self, answer: AnswerTokens) -> tuple[str, tuple[int, ...]]:
        """Return the text of an answer, and its tokens for the next prompt."""
        if answer.is_complete:
            return self._answer_end.remove_stop(answer.ids)
        stops = self._inputs.stops
        text = stable_text(answer_text(self._tokenizer, answer.ids, stops), stops)
        return text, self._answer_end.without_special(answer.ids)

    # --- generation ----------------------------------------------------------------------------

    def _generate(
        self,
        prompt: Prompt,
        options: GenerationOptions,
        stream: Stream,
        stop: Callable[[], bool] | None,
    ) -> int:
        """Generate into the stream. Returns how many of the prompt's tokens were cached."""
        inputs = self._inputs
        prefix = self._take_prefix(prompt)
        cached = 0 if prefix is None else len(prefix.ids)
        if prefix is None:
            prefix = inputs.prefill_images([prompt.view], prompt.ids)
        ids = torch.tensor([prompt.ids])
        request = DecodeRequest(
            ids,
            None,
            inputs.max_new_tokens_for(prompt, options),
            options,
            prefix.cache,
            images=inputs.rest_inputs([prompt.view], ids, None, len(prefix.ids)),
            stream=stream,
            stop=stop,
        )
        generate_tokens(inputs, request)
        all_ids = (*prompt.ids, *stream.new_ids)
        cached_ids = all_ids[: prefix.cache.get_seq_length()]
        self._prefix = PrefixCache(prompt.view, cached_ids, prefix.cache)
        return cached

    def _take_prefix(self, prompt: Prompt) -> PrefixCache | None:
        """Take the cached prefix of the prompt if it includes the image, else None.

        Clears the conversation's own reference, because a failed run leaves the cache damaged.
        """
        prefix, self._prefix = self._prefix, None
        if prefix is None:
            return None
        # The model always prefills the last token: its output is the first new one.
        shared = min(prefix.shared_length(prompt), len(prompt.ids) - 1)
        if shared < self._inputs.image_end(prompt.ids):
            return None
        if shared == len(prefix.ids):
            return prefix
        return prefix.crop(shared) if prefix.is_croppable else None

    # --- tokens ----------------------------------------------------------------------------------

    @abstractmethod
    def encode_turns(
        self, turns: Sequence[Turn], template: str = DEFAULT_TEMPLATE
    ) -> tuple[int, ...]:
        """Encode a conversation up to its last question, or the incomplete answer to it.

        Uses the tokens of an answer if they are known: its text may tokenize to others.
        """

    def answer_tokens(self, turn: Turn, lead: str = " ") -> tuple[int, ...]:
        """Return an answer's own tokens if they decode to its text, else those of the text.

        `lead` is the text between the prompt and the answer.
        """
        if not turn.answer:
            return ()
        if self._decode_to(turn.tokens, turn.answer):
            return turn.tokens
        return self.tokens_after(":", lead + turn.answer)

    @translate_errors()
    def _decode_to(self, tokens: tuple[int, ...], answer: str) -> bool:
        """Return whether tokens decode to the answer, without special tokens or a stop text.

        Tokens may come from a session file, so they may be invalid.
        """
        if not tokens or not all(0 <= token < len(self._tokenizer) for token in tokens):
            return False
        decoded: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False)
        is_equal = decoded.strip(_UNSTABLE_ENDING) == answer.strip(_UNSTABLE_ENDING)
        return is_equal and not contains_stop(self._tokenizer, tokens, self._inputs.stops)


def _discard(text: str) -> None:
    """Ignore streamed text, for a caller that waits for the complete answer."""
