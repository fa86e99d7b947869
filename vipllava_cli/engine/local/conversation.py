"""A conversation in this process: one cache from turn to turn, so that nothing is read twice.

Each turn's prompt is made whole, in tokens; what of it is in the cache already is found by comparing
tokens. So a new question, an undone one, another image and a dropped turn all take the same way, and
what the model reads is the same as if the conversation had been read at once.
"""

import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteria, StoppingCriteriaList

from vipllava_cli.engine.base import GREEDY, Answer, GenerationOptions, ModelView, Prompt, Reply
from vipllava_cli.engine.local.error_translation import translate_errors
from vipllava_cli.engine.local.inputs import ModelInputs
from vipllava_cli.engine.local.prefix_cache import Prefix
from vipllava_cli.engine.local.streaming import Stream, answer_text, contains_stop, stable_text
from vipllava_cli.engine.prompts.templates import DEFAULT_TEMPLATE, Turn

_CUT = " \n\t#\ufffd"  # what an answer that was cut may end with in its tokens, and not in its text
CONTEXT = 8  # letters before a text that its first token may depend on


class LocalConversation:
    """Implements `engine.Conversation` with the reader's model and a cache of its own."""

    def __init__(self, inputs: ModelInputs) -> None:
        self._reader = inputs
        self._tokenizer = inputs.tokenizer
        self._special = frozenset(inputs.tokenizer.all_special_ids)
        self._held: Prefix | None = None
        self._following = lru_cache(maxsize=4096)(self._tokens_after)
        self._between = lru_cache(maxsize=4096)(inputs.between)
        self.max_tokens: int = inputs.model.config.text_config.max_position_embeddings

    def count(self, turns: Sequence[Turn], template: str = DEFAULT_TEMPLATE) -> int:
        """See `engine.Conversation.count`."""
        return len(self.ids(turns, template))

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
        """See `engine.Conversation.answer`."""
        start = time.perf_counter()
        inputs = self._reader
        prompt = Prompt(view, self.ids(turns, template))
        inputs.check_prompt_length(len(prompt.ids))
        begun = self._own_tokens(turns[-1])
        config = inputs.generation_config(options, inputs.max_new_tokens_for(prompt, options))
        stream = Stream(self._tokenizer, on_text or _unheard, begun)
        read = 0
        interrupted = False
        try:
            read = len(prompt.ids) - self._generate(prompt, config, options.seed, stream, stop)
        except KeyboardInterrupt:  # anywhere in the model: what was said is kept, the cache is not
            interrupted = True
        said = (*begun, *stream.ids)
        ended = self._ended(said, config)
        stopped = interrupted or (stop is not None and stop())
        text, tokens = (
            self._spoken(said) if ended else (stable_text(self._text(said)), self._plain(said))
        )
        answer = Answer(
            text,
            "stop" if ended else "stopped" if stopped else "length",
            len(prompt.ids) - len(begun),
            len(said),
            time.perf_counter() - start,
        )
        return Reply(answer, tokens, read, (stream.first or time.perf_counter()) - start)

    def _generate(
        self,
        prompt: Prompt,
        config: GenerationConfig,
        seed: int,
        stream: Stream,
        stop: Callable[[], bool] | None,
    ) -> int:
        """Fill the stream; returns how many of the prompt's tokens were in the cache."""
        inputs = self._reader
        held = self._take(prompt)
        kept = 0 if held is None else len(held.ids)
        if held is None:
            held = inputs.prefill_images([prompt.view], prompt.ids)
        ids = torch.tensor([prompt.ids], device=inputs.device)
        criteria = [inputs.stop_text] if stop is None else [inputs.stop_text, _Asked(stop)]
        with torch.inference_mode(), torch.random.fork_rng(inputs.gpus), translate_errors():
            torch.manual_seed(seed)
            inputs.model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                past_key_values=held.cache,
                generation_config=config,
                streamer=stream,
                stopping_criteria=StoppingCriteriaList(criteria),
            )
        whole = (*prompt.ids, *stream.ids)
        self._held = Prefix(prompt.view, whole[: held.cache.get_seq_length()], held.cache)
        return kept

    def _take(self, prompt: Prompt) -> Prefix | None:
        """What of the prompt is in the cache, if that is the image at least; it is kept no longer, in
        case the run breaks off in the middle. The last token is always read: it gives the first new one.
        """
        held, self._held = self._held, None
        if held is None:
            return None
        shared = min(held.shared(prompt), len(prompt.ids) - 1)
        if shared < self._reader.image_end(prompt.ids):
            return None
        if shared == len(held.ids):
            return held
        return held.cut(shared) if held.is_croppable else None

    # --- tokens ------------------------------------------------------------------------------

    def ids(self, turns: Sequence[Turn], template: str = DEFAULT_TEMPLATE) -> tuple[int, ...]:
        """The whole conversation up to where its last answer begins, or goes on."""
        first, *later = turns
        ids = list(self._reader.encode(self._reader.text(first.question, template)))
        before = first
        for turn in later:
            lead, asked = self._between(before.question, turn.question, template)
            ids += self._own_tokens(before, lead)
            ids += self._following((lead + (before.answer or ""))[-CONTEXT:], asked)
            before = turn
        return (*ids, *self._own_tokens(before))

    def _own_tokens(self, turn: Turn, lead: str = " ") -> tuple[int, ...]:
        """The tokens of an answer: those that the model made, or, if those say something else or there
        are none, those of its text.
        """
        if not turn.answer or self._is_said_by(turn.answer, turn.tokens):
            return turn.tokens if turn.answer else ()
        return self._following(":", lead + turn.answer)

    def _is_said_by(self, answer: str, tokens: tuple[int, ...]) -> bool:
        """Whether the tokens are the answer and nothing that the eye would not see."""
        if not tokens or not all(0 <= token < len(self._tokenizer) for token in tokens):
            return False
        whole: str = self._tokenizer.decode(list(tokens), skip_special_tokens=False)
        return whole.strip(_CUT) == answer.strip(_CUT) and not contains_stop(
            self._tokenizer, tokens
        )

    def _tokens_after(self, before: str, text: str) -> tuple[int, ...]:
        """The tokens of a text as it follows another one: many tokenizers put a space before a text that
        stands alone.
        """
        head, whole = self._tokens(before), self._tokens(before + text)
        if whole[: len(head)] == head:
            return whole[len(head) :]
        return self._tokens(text)

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer(text, add_special_tokens=False)["input_ids"])

    def _text(self, ids: Sequence[int]) -> str:
        return answer_text(self._tokenizer, ids)

    def _plain(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Without special tokens: an image's token in an answer would stand for a second image."""
        return tuple(token for token in ids if token not in self._special)

    def _spoken(self, ids: Sequence[int]) -> tuple[str, tuple[int, ...]]:
        """The text of an answer that has ended, and its tokens without those of the stop."""
        text = self._text(ids).rstrip()
        kept = self._plain(ids)

        def said(count: int) -> str:
            whole: str = self._tokenizer.decode(list(kept[:count]))
            return whole.strip()

        count = len(kept)
        while count and not text.startswith(said(count)):
            count -= 1
        while count and said(count - 1) == said(count):
            count -= 1
        rest = text[len(said(count)) :]  # of a token that holds the stop as well
        return text, kept[:count] + (self._following(said(count)[-CONTEXT:], rest) if rest else ())

    def _ended(self, ids: Sequence[int], config: GenerationConfig) -> bool:
        ends: Any = config.eos_token_id
        ends = ends if isinstance(ends, list) else [ends]
        return any(token in ends for token in ids[-1:]) or contains_stop(self._tokenizer, ids)


class _Asked(StoppingCriteria):
    """Ends generation after the token during which somebody asked for it."""

    def __init__(self, stop: Callable[[], bool]) -> None:
        self._stop = stop

    def __call__(self, input_ids: Tensor, scores: Any, **more: Any) -> Tensor:
        return torch.full((len(input_ids),), self._stop(), device=input_ids.device)


def _unheard(text: str) -> None:
    """For a caller that waits for the whole answer."""
