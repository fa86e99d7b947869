"""The rule of equal answers: normalization, synonyms, and strict comparison."""

from pathlib import Path

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.answer_rule import NORMALIZED, AnswerRule, read_synonyms
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES

STRICT = AnswerRule(is_strict=True)


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


# --- synonyms --------------------------------------------------------------------------------


def synonyms(folder: Path, text: str) -> AnswerRule:
    file = folder / "names.txt"
    file.write_text(text)
    return read_synonyms(file)


def test_synonyms_are_names_in_any_form(tmp_path: Path) -> None:
    rule = synonyms(
        tmp_path,
        "\ufeff# vehicles\ncar, automobile, motor car\n\ntraffic_light,Stop light, ,\nbus,buses\n",
    )
    assert rule.is_correct("The automobiles.", "car")
    assert rule.is_correct("a motor-car", "Automobile")
    assert rule.is_correct("a stop light", "traffic light")
    assert rule.is_correct("an automobile", "truck<OR>car")
    assert not rule.is_correct("a truck", "car")
    assert not rule.is_correct("a motor", "car")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("car\n", "line 1: expected two or more names separated by commas"),
        ("car, auto\n# x\ntruck, Autos\n", "line 3: 'Autos' is also in line 1"),
        ("\n# nothing\n", "lists no synonyms: expected lines like car, automobile"),
    ],
)
def test_a_line_that_is_no_group_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        synonyms(tmp_path, text)


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    with pytest.raises(InputError, match="cannot be read"):
        read_synonyms(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_synonyms(file)
