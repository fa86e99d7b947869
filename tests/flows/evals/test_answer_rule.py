"""The rule of equal answers: normalization, and strict comparison."""

import pytest

from vipllava_cli.flows.evals.answer_rule import AnswerRule
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES

NORMALIZED, STRICT = AnswerRule(), AnswerRule(is_strict=True)


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        ("a penguin", "penguin"), ("A Penguin.", "penguin"), ("the penguin", "THE penguin"),
        ("a penguin", "Penguins"), ("penguins", "a penguin"), ("an apple", "Apple!"),
        ("a traffic light", "traffic_light"), ("traffic lights", "Traffic-Light"),
        ("a dog and a cat", "dog and cat"), ("two dogs", "2 dogs"), ("two", "2"), ("(B)", "B"),
        (" B.", "b"), ("a  red\that", "a red hat."), ("\u201ccat\u201d", "cat"), ("**cat**", "cat"),
        ("STRASSE", "Stra\u00dfe"), ("\uff23\uff21\uff34", "cat"), ("50 %", "50%"), ("it\u2019s", "it's"),
        ("", ""), ("...", "\u2026"), ("\u732b\u3002", "\u732b"),
    ],
)  # fmt: skip
def test_equal_answers(answer: str, truth: str) -> None:
    assert NORMALIZED.is_correct(answer, truth)
    assert NORMALIZED.is_correct(truth, answer)


@pytest.mark.parametrize(
    ("answer", "truth"),
    [
        ("a dog", "cat"), ("a dog and a cat", "dog"), ("it is a cat", "cat"), (None, "cat"),
        (None, ""), ("", "cat"), ("a", "b"), ("3.5", "35"), ("-5", "5"), ("C#", "C"), ("?", ""),
        ("glasses", "glass"), ("news", "new"), ("vitamin a", "vitamin"), ("no", "not"),
    ],
)  # fmt: skip
def test_different_answers(answer: str | None, truth: str) -> None:
    assert not NORMALIZED.is_correct(answer, truth)


@pytest.mark.parametrize("form", ["{}", "{}.", "a {}", "THE {}", "{}!"])
def test_every_label_of_clip_art_is_equal_to_the_answer_and_to_no_other(form: str) -> None:
    labels = [form.format(each.name).title() for each in OBJECT_CLASSES]
    keys = [NORMALIZED.key(label) for label in labels]
    assert keys == [NORMALIZED.key(each.phrase) for each in OBJECT_CLASSES]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("two or 2", "2<OR>3", True), ("a cat", "cat<AND>dog", False),
        ("Dogs, cats", "cat<AND>dog", True),
        ("a kitten", "cat<OR>kitten<AND>dog", False), ("kittens, a dog", "cat<OR>kitten<AND>dog", True),
        ("catfish", "cat<OR>dog", False),
    ],
)  # fmt: skip
def test_parts_of_a_truth_are_looked_for(answer: str, truth: str, expected: bool) -> None:
    assert NORMALIZED.is_correct(answer, truth) == expected


def test_a_strict_rule_ignores_only_spaces_around_the_text() -> None:
    assert STRICT.is_correct(" a cat\n", "a cat")
    for answer in ("A cat", "cat", "a cat.", "a cats", "a  cat"):
        assert not STRICT.is_correct(answer, "a cat")
    assert STRICT.is_correct("a cat or dog", "cat<AND>dog")
    assert not STRICT.is_correct("a cat, a dog", "cat<AND>dog")
