"""New tokens -> the text of an answer, whole or as it grows."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from vipllava_cli.engine.prompts.templates import STOPS


def answer_text(tokenizer: Any, ids: Sequence[int]) -> str:
    """New tokens -> the answer, without special tokens and without the stop text."""
    text: str = tokenizer.decode(list(ids), skip_special_tokens=True)
    for stop in STOPS:
        text = text.partition(stop)[0]
    return text.lstrip()


def contains_stop(tokenizer: Any, ids: Sequence[int]) -> bool:
    """Whether the tokens hold a stop text."""
    whole = tokenizer.decode(list(ids), skip_special_tokens=True)
    return any(stop in whole for stop in STOPS)


class Stream(BaseStreamer):
    """Hands on an answer's text as it grows, from tokens that it may begin with; keeps the new ones, and
    when the first of them came.
    """

    def __init__(
        self, tokenizer: Any, on_text: Callable[[str], None], begun: Sequence[int] = ()
    ) -> None:
        self.tokenizer = tokenizer
        self.on_text = on_text
        self.begun = list(begun)
        self.ids: list[int] = []
        self.sent = len(stable_text(answer_text(tokenizer, self.begun))) if begun else 0
        self.prompt_seen = False
        self.first: float | None = None

    def put(self, value: Tensor) -> None:
        """Called by `generate`: first with the prompt, then with each new token."""
        if not self.prompt_seen:
            self.prompt_seen = True
            return
        self.ids += value.flatten().tolist()
        self.first = self.first or time.perf_counter()
        self._send(stable_text(self._text()))

    def end(self) -> None:
        """Called by `generate` at the end."""
        self._send(self._text().rstrip())

    def _text(self) -> str:
        return answer_text(self.tokenizer, self.begun + self.ids)

    def _send(self, text: str) -> None:
        if len(text) > self.sent:
            self.on_text(text[self.sent :])
            self.sent = len(text)


def stable_text(text: str) -> str:
    """The text less what may yet become a stop, half a character, or space at the end."""
    text = text.rstrip("\ufffd")
    for stop in STOPS:
        for size in range(len(stop) - 1, 0, -1):
            if text.endswith(stop[:size]):
                text = text[:-size]
    return text.rstrip()
