"""Synonyms: the groups of the package, and files of the user."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.answer_rule import AnswerRule, rule_with_synonyms
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.synonyms import common_synonyms, read_synonyms


def rule_of(folder: Path, text: str) -> AnswerRule:
    file = folder / "names.txt"
    file.write_text(text)
    return rule_with_synonyms(file)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("an airplane", "Aeroplanes"), ("a bicycle", "bike"), ("a couch", "SOFA"),
        ("grey", "gray"), ("a TV", "televisions"), ("a donut", "doughnuts"), ("a car", "automobile"),
    ],
)  # fmt: skip
def test_common_synonyms(answer: str, label: str) -> None:
    assert AnswerRule().is_correct(answer, label)
    assert not AnswerRule(is_strict=True).is_correct(answer, label)


def test_common_synonyms_keep_the_clip_art_objects_apart() -> None:
    names = {AnswerRule().key(each.name) for each in OBJECT_CLASSES}
    assert len(names) == len(OBJECT_CLASSES)


def test_synonyms_of_a_file_are_names_in_any_form(tmp_path: Path) -> None:
    rule = rule_of(
        tmp_path,
        "\ufeff# buildings\nhouse, home, row house\n\ntower_block,High rise, ,\nbus,buses\n",
    )
    assert rule.is_correct("The homes.", "house")
    assert rule.is_correct("a row-house", "Home")
    assert rule.is_correct("a high rise", "tower block")
    assert rule.is_correct("a home", "hut<OR>house")
    assert not rule.is_correct("a row", "house")
    assert rule.is_correct("a sofa", "couch")
    assert rule.ignored[-2:] == ("common synonyms", "those in names.txt")


def test_a_group_joins_the_groups_that_have_its_names(tmp_path: Path) -> None:
    rule = rule_of(tmp_path, "road vehicle, car, lorry\n")
    names = ("automobile", "truck", "car", "lorry", "road vehicle")
    assert len({rule.key(name) for name in names}) == 1
    assert not AnswerRule().is_correct("car", "truck")


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
        rule_of(tmp_path, text)


def test_a_file_that_is_not_text_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    with pytest.raises(InputError, match="cannot be read"):
        read_synonyms(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_synonyms(file)


def test_the_list_of_the_package_has_groups_without_a_common_name(tmp_path: Path) -> None:
    text = (ROOT / "vipllava_cli/flows/evals/synonyms.txt").read_text()
    assert read_synonyms(_write(tmp_path, text)) == common_synonyms()


def _write(folder: Path, text: str) -> Path:
    file = folder / "copy.txt"
    file.write_text(text)
    return file
