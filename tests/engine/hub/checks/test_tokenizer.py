"""The regular expressions of a tokenizer.json: those that cannot match for ever are accepted."""

import time
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from vipllava_cli.engine.hub.checks.tokenizer import check_tokenizer
from vipllava_cli.errors import ModelError

SAFE = (r"\w+|[^\w\s]+", r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+", r"\d", r" {2,}")
UNSAFE = (r"\w+\s+x", r"a?a?a?b", r"[a-z]+[a-z]+", r"(?:a|b)+", r"\w+|(a+)+$", r"\w*|a", r"a||b")


def _tokenizer(pattern: str) -> dict[str, Any]:
    return {
        "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}},
        "pre_tokenizer": {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated"},
    }


@pytest.mark.parametrize("pattern", SAFE)
def test_alternatives_of_character_classes_are_accepted(pattern: str) -> None:
    check_tokenizer(_tokenizer(pattern), 2, "model")
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    start = time.process_time()
    for text in ("a" * 50_000, " " * 50_000, "1" * 50_000 + "!", "a " * 25_000):
        tokenizer.encode(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("pattern", UNSAFE)
def test_patterns_that_can_backtrack_are_refused(pattern: str) -> None:
    with pytest.raises(ModelError, match="expected that of a published tokenizer"):
        check_tokenizer(_tokenizer(pattern), 2, "model")
