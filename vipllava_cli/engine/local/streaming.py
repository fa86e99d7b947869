"""New tokens -> pieces of the answer's text, as it grows."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from transformers.generation.streamers import BaseStreamer

from vipllava_cli.engine.local.answer_end import answer_text, stable_text
from vipllava_cli.engine.local.error_translation import output_errors
from vipllava_cli.engine.prompts.templates import STOPS


class Stream(BaseStreamer):
    """Passes an answer's text to `on_text` as it grows, and collects the new tokens.

    `start_ids` are the tokens of an answer to continue, `start_tokens` counts them; `on_text` does not
    receive their text. `stops` are the texts that end an answer. `first_token_time` is the value of
    `time.perf_counter()` at the first new token.
    """

    def __init__(
        self,
        tokenizer: Any,
        on_text: Callable[[str], None],
        start_ids: Sequence[int] = (),
        stops: Sequence[str] = STOPS,
    ) -> None:
        self._tokenizer = tokenizer
        self._stops = stops
        self._on_text = on_text
        self._start_ids = list(start_ids)
        self.new_ids: list[int] = []
        self._sent = len(stable_text(self._text(), stops)) if start_ids else 0
        self._has_prompt = False
        self.start_tokens = len(self._start_ids)
        self.first_token_time: float | None = None

    def put(self, value: Tensor) -> None:
        """Take tokens from `generate`: first the prompt, then each new token."""
        if not self._has_prompt:
            self._has_prompt = True
            return
        self.add(value.flatten().tolist())

    def add(self, tokens: Sequence[int]) -> None:
        """Take new tokens."""
        self.new_ids += tokens
        self.first_token_time = self.first_token_time or time.perf_counter()
        self._send(stable_text(self._text(), self._stops))

    def end(self) -> None:
        """Send the rest of the text. `generate` calls this at the end."""
        self._send(self._text().rstrip())

    def _text(self) -> str:
        return answer_text(self._tokenizer, self._start_ids + self.new_ids, self._stops)

    def _send(self, text: str) -> None:
        if len(text) > self._sent:
            with output_errors():
                self._on_text(text[self._sent :])
            self._sent = len(text)
