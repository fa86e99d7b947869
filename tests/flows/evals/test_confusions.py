"""Answers by label: equal forms of a label are one, and labels are in natural order."""

from pathlib import Path

from tests.support.comparisons import record
from tests.support.report_pages import results
from vipllava_cli.flows.evals.compare import compare
from vipllava_cli.flows.evals.confusions import Confusion, LabelTable, count_labels

ANSWERS = [
    ("box 10", "a box 10"), ("box 2", "box 9"), ("Cat", "a dog"), ("cats", "Dogs"), ("a cat", "dog"),
    ("cat", "a cat"), ("cat", None), ("box 2", "box 9"), ("cat", "a dog"),
]  # fmt: skip


def table(folder: Path, *answers: tuple[str, str | None]) -> LabelTable:
    rows = [record(number, answer, truth) for number, (truth, answer) in enumerate(answers)]
    comparison = compare([results(folder, rows)])
    return count_labels(comparison, comparison.first)


def test_labels(image: Path) -> None:
    found = table(image.parent, *ANSWERS)
    assert [(each.label, each.count, each.right) for each in found.labels] == [
        ("box 2", 2, 0), ("box 10", 1, 1), ("cat", 6, 1),
    ]  # fmt: skip
    assert found.labels[2].accuracy == 1 / 6
    assert found.is_informative


def test_confusions_are_by_frequency_and_a_failed_row_has_no_answer(image: Path) -> None:
    found = table(image.parent, *ANSWERS)
    assert found.confusions == [
        Confusion("cat", "a dog", 4), Confusion("box 2", "box 9", 2), Confusion("cat", None, 1),
    ]  # fmt: skip
    assert found.main_confusion(found.labels[2]) == Confusion("cat", "a dog", 4)
    assert found.main_confusion(found.labels[1]) is None


def test_labels_of_one_row_each_tell_nothing_beyond_the_answers(image: Path) -> None:
    found = table(image.parent, ("cat", "a cat"), ("dog", ""))
    assert not found.is_informative
    assert found.confusions == [Confusion("dog", "", 1)]
