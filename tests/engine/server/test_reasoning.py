"""Thoughts and answers of a reply that comes in pieces."""

import random
import time

import pytest

from vipllava_cli.engine.server.reasoning import AnswerPieces, split_reasoning

WORDS = ("<think>", "</think>", "<thi", "nk>", " ", "\n", "a cat", "<", "</", "is")


def show(*pieces: str) -> str:
    reader = AnswerPieces()
    return "".join(map(reader.add, pieces))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a cat", "a cat"),
        (" \n a cat \n", "a cat"),
        ("<think>a dog?</think> a cat", "a cat"),
        ("\n<think></think>\n\n<think> is a word", "<think> is a word"),
        ("<think>a dog", ""),
        ("<th", ""),
        ("<b>a  cat</b>", "<b>a  cat</b>"),
    ],
)
def test_shows_the_answer_without_thoughts(text: str, shown: str) -> None:
    assert show(text) == show(*text) == shown


def test_pieces_show_the_same_as_the_whole_text() -> None:
    generator = random.Random(1)
    for _ in range(2000):
        pieces = generator.choices(WORDS, k=generator.randint(0, 8))
        text = "".join(pieces)
        assert show(*pieces) == show(*text) == show(text), pieces
        if text.lstrip().startswith("<think>") and text.count("</think>") == 1:
            assert show(text) == split_reasoning(text).answer, pieces


@pytest.mark.parametrize("piece", ["thought ", " ", "a "])
@pytest.mark.parametrize("start", ["<think>", "", "a"])
def test_the_cost_of_a_piece_does_not_grow(start: str, piece: str) -> None:
    reader = AnswerPieces()
    reader.add(start)
    begin = time.process_time()
    for _ in range(300_000):
        reader.add(piece)
    assert time.process_time() - begin < 5
