"""Find the token that completes a stop text such as `###`, by looking at the last tokens only."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

_CONTEXT = "abcdef"  # text before a token, which then keeps its leading space
_NO_TEXT = "\0"  # of an id that the tokenizer does not know


class StopTexts:
    """Decides as `StopStringCriteria` of transformers does, without its search of the vocabulary.

    A token ends an answer if a stop text ends in it. The text may start in the tokens before.
    """

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self._tokenizer = tokenizer
        self._stops = tuple(stops)
        self._last_letters = frozenset(stop[-1] for stop in stops)
        self._texts: dict[int, str] = {}
        # Each token has at least one letter of the stop text.
        self.window = max(map(len, stops))

    def is_complete(self, ids: Sequence[int]) -> bool:
        """Return whether a stop text ends in the last token. Reads the last `window` tokens."""
        last = self._text(ids[-1])
        if self._last_letters.isdisjoint(last):
            return False
        text = "".join(map(self._text, ids[-self.window :]))
        start = len(text) - len(last)
        return any(text.find(stop, max(start - len(stop) + 1, 0)) >= 0 for stop in self._stops)

    def _text(self, token: int) -> str:
        """Return the text that a token adds to an answer."""
        text = self._texts.get(token)
        if text is None:
            text = self._texts[token] = self._decode(token)
        return text

    def _decode(self, token: int) -> str:
        name = self._tokenizer.convert_ids_to_tokens(token)
        if name is None:
            return _NO_TEXT
        text: str = self._tokenizer.convert_tokens_to_string([*self._context, name])
        return text.partition(_CONTEXT)[2]

    @cached_property
    def _context(self) -> list[str]:
        ids = self._tokenizer(_CONTEXT, add_special_tokens=False)["input_ids"]
        return list(self._tokenizer.convert_ids_to_tokens(ids))
