"""Where an answer ends: at an end-of-sequence token, or at a stop text such as `###`."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vipllava_cli.engine.local.tokenization import CONTEXT_LENGTH, tokens_after
from vipllava_cli.engine.prompts.templates import STOPS

_REPLACEMENT = "\ufffd"  # the decoded text of an incomplete character


def answer_text(tokenizer: Any, ids: Sequence[int], stops: Sequence[str] = STOPS) -> str:
    """Decode an answer without special tokens, up to a stop text."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
    for stop in stops:
        text = text.partition(stop)[0]
    return text.lstrip()


def contains_stop(tokenizer: Any, ids: Sequence[int], stops: Sequence[str] = STOPS) -> bool:
    """Return whether the decoded tokens contain a stop text."""
    text = tokenizer.decode(list(ids), skip_special_tokens=True)
    return any(stop in text for stop in stops)


def stable_text(text: str, stops: Sequence[str] = STOPS) -> str:
    """Cut off what the next tokens may change: part of a stop text or character, trailing space."""
    text = text.rstrip(_REPLACEMENT)
    for stop in stops:
        for size in range(len(stop) - 1, 0, -1):
            if text.endswith(stop[:size]):
                text = text[:-size]
    return text.rstrip()


@dataclass(frozen=True)
class AnswerTokens:
    """The tokens of one answer. `is_complete` says whether the model ended it by itself."""

    ids: tuple[int, ...]
    is_complete: bool


@dataclass(frozen=True)
class AnswerEnd:
    """Finds the end of an answer.

    `end_tokens` and `stops` are the tokens and the texts that end it; `pad_token` pads rows.
    """

    tokenizer: Any
    end_tokens: Sequence[int]
    pad_token: int
    stops: Sequence[str] = STOPS

    def trim(self, ids: Sequence[int]) -> AnswerTokens:
        """Cut a generated row after its own answer: other rows of the batch may be longer.

        Keeps the end-of-sequence token, and all tokens up to the one that completes a stop text.
        """
        ends = (index for index, token in enumerate(ids) if token in self.end_tokens)
        end = next(ends, len(ids))
        answer = list(ids[:end])
        has_stop = contains_stop(self.tokenizer, answer, self.stops)
        if end < len(ids) and not has_stop:
            return AnswerTokens(tuple(ids[: end + 1]), is_complete=True)
        while answer and answer[-1] == self.pad_token:
            answer.pop()
        return AnswerTokens(tuple(answer), has_stop)

    def remove_stop(self, ids: Sequence[int]) -> tuple[str, tuple[int, ...]]:
        """Return a complete answer's text and tokens, without its end tokens and stop text.

        Tokenizes a part of the answer again if one token contains it and the start of the stop text.
        """
        text = answer_text(self.tokenizer, ids, self.stops).rstrip()
        tokens = self.without_special(ids)

        def decoded(count: int) -> str:
            start: str = self.tokenizer.decode(list(tokens[:count]))
            return start.strip()

        # 1. Find the longest start of the tokens that decodes to a prefix of the text.
        count = len(tokens)
        while count and not text.startswith(decoded(count)):
            count -= 1
        # 2. Remove tokens at its end that add only spaces.
        while count and decoded(count - 1) == decoded(count):
            count -= 1
        # 3. Tokenize the rest of the text, which shares a token with the stop text.
        rest = text[len(decoded(count)) :]
        if not rest:
            return text, tokens[:count]
        return text, tokens[:count] + tokens_after(
            self.tokenizer, decoded(count)[-CONTEXT_LENGTH:], rest
        )

    def without_special(self, ids: Sequence[int]) -> tuple[int, ...]:
        """Remove special tokens: an image token in an answer would stand for a second image."""
        return tuple(token for token in ids if token not in self._special_tokens)

    @cached_property
    def _special_tokens(self) -> frozenset[int]:
        return frozenset(self.tokenizer.all_special_ids)
