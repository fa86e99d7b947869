"""The end of an answer, by every rule."""

from itertools import product

import pytest
from transformers import PreTrainedTokenizerFast

from tests.support.tokenizers import spaced_tokenizer
from vipllava_cli.engine.local.answer_end import AnswerEnd, AnswerTokens, stable_text

pytestmark = pytest.mark.model

END, PAD = 2, 4


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> PreTrainedTokenizerFast:
    return spaced_tokenizer(tmp_path_factory.mktemp("tokenizer"))


def tokens(tokenizer: PreTrainedTokenizerFast, text: str) -> tuple[int, ...]:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


@pytest.mark.parametrize("pad", [PAD, END], ids=["own pad token", "end token as pad"])
def test_a_row_is_trimmed_after_its_own_answer(
    tokenizer: PreTrainedTokenizerFast, pad: int
) -> None:
    """Compare rows with every ending, and padding after it, with their answers alone."""
    end = AnswerEnd(tokenizer, [END], pad)
    answer, stop = tokens(tokenizer, "a cat"), tokens(tokenizer, "###")
    complete = {(*answer, END): True, (*answer, *stop): True}
    for own, padding in product(complete, range(3)):
        row = (*own, *[pad] * padding)
        assert end.trim(row) == AnswerTokens(own, is_complete=True)
        assert end.remove_stop(end.trim(row).ids) == ("a cat", answer)
    assert end.trim(answer) == AnswerTokens(answer, is_complete=False)
    assert end.trim((END,)) == AnswerTokens((END,), is_complete=True)


def test_a_stop_text_of_several_tokens_is_not_part_of_the_answer(
    tokenizer: PreTrainedTokenizerFast,
) -> None:
    end = AnswerEnd(tokenizer, [END], PAD)
    answer, stop = tokens(tokenizer, "a cat"), tokens(tokenizer, "###")
    assert len(stop) > 1
    assert end.remove_stop((*answer, *stop, END)) == ("a cat", answer)
    assert end.remove_stop(stop) == ("", ())


@pytest.mark.parametrize(
    ("text", "stable"),
    [("a cat#", "a cat"), ("a cat ##", "a cat"), ("a #1 cat", "a #1 cat"), ("caf\ufffd", "caf")],
)
def test_text_that_the_next_token_may_change_is_not_stable(text: str, stable: str) -> None:
    assert stable_text(text) == stable
