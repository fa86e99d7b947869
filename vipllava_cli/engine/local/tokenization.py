"""Tokens of a text that continues another text."""

from typing import Any

from vipllava_cli.engine.local.error_translation import translate_errors

# Characters before a text on which its first token may depend.
CONTEXT_LENGTH = 8


def tokens_after(tokenizer: Any, before: str, text: str) -> tuple[int, ...]:
    """Tokenize `text` as it follows `before`, without special tokens.

    Many tokenizers put a space before a text without context; this avoids it.
    """
    start, joined = _tokenize(tokenizer, before), _tokenize(tokenizer, before + text)
    if joined[: len(start)] == start:
        return joined[len(start) :]
    return _tokenize(tokenizer, text)


@translate_errors()
def _tokenize(tokenizer: Any, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])
