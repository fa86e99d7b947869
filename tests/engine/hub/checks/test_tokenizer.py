"""The check of the regular expressions in tokenizer.json."""

import time
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from vipllava_cli.engine.hub.checks.tokenizer import check_tokenizer
from vipllava_cli.errors import ModelError


def tokenizer(pattern: str) -> dict[str, Any]:
    """Return a tokenizer that splits texts by a regular expression."""
    split = {
        "type": "Split",
        "pattern": {"Regex": pattern},
        "behavior": "Isolated",
        "invert": False,
    }
    model = {"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "a"}
    return {"pre_tokenizer": split, "model": model}


@pytest.mark.parametrize(
    "pattern",
    [
        r"\s+",
        r"\p{N}{1,3}",
        r"\w+|[^\w\s]+",
        r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+",
        r"[\r\n]|[^\s|]+",
    ],
)
def test_choices_of_character_classes_are_accepted(pattern: str) -> None:
    check_tokenizer(tokenizer(pattern), 1, "model")


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+",
        r"a+b",
        r"\w+\w+",
        r"a*b|c",
        r"(?:a|b)*",
        r"a{1,50}b",
        r".*x",
        r"\w+$",
        r"(a)\1",
        r"a|",
    ],
)
def test_a_pattern_that_may_match_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ModelError, match="regular expression"):
        check_tokenizer(tokenizer(pattern), 1, "model")


SAFE = (
    r"\w+|[^\w\s]+",
    r" ?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+",
    r"\d",
    r" {2,}",
    r"a?\s?[^b]+",
)
UNSAFE = (r"\w+\s+x", r"a?a?a?b", r"[a-z]+[a-z]+", r"(?:a|b)+", r"\w+|(a+)+$", r"\w*|a", r"a||b")


@pytest.mark.parametrize("pattern", SAFE)
def test_accepted_patterns_match_in_bounded_time(pattern: str) -> None:
    check_tokenizer(tokenizer(pattern), 1, "model")
    fast = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    fast.pre_tokenizer = pre_tokenizers.Split(Regex(pattern), "isolated")
    start = time.process_time()
    for text in ("a" * 50_000, " " * 50_000, "1" * 50_000 + "!", "a " * 25_000):
        fast.encode(text)
    assert time.process_time() - start < 5


@pytest.mark.parametrize("pattern", UNSAFE)
def test_patterns_that_can_backtrack_are_refused(pattern: str) -> None:
    with pytest.raises(ModelError, match="expected that of a published tokenizer"):
        check_tokenizer(tokenizer(pattern), 1, "model")
