"""Structured answers in a comparison: each field is a row."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.report_pages import failed, results, row
from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.answer_rule import AnswerRule
from vipllava_cli.flows.evals.compare import compare

OPTIONS = {
    "fields": [
        {"name": "material", "type": "choice", "choices": ["metal", "wood"]},
        {"name": "damaged", "type": "boolean", "choices": ["yes", "no"]},
    ]
}
NAMES = ("material", "damaged")
QUESTION = "What is the material?\nIs it damaged?"


def answered(
    number: int, material: str, *, damaged: bool, extra: dict[str, Any] | None = None
) -> dict[str, Any]:
    fields = {"material": material, "damaged": damaged}
    return row(number, question=QUESTION, options=OPTIONS, fields=fields, extra=extra or {})


def test_the_column_of_a_field_holds_its_right_answers(tmp_path: Path) -> None:
    """Booleans are compared as yes and no. A failed row is wrong in each field that has a truth."""
    rows = [
        answered(0, "metal", damaged=True, extra={"material": "Metal", "damaged": "true"}),
        answered(1, "wood", damaged=False, extra={"material": "metal"}),
        failed(2, question=QUESTION, options=OPTIONS, extra={"material": "wood"}),
    ]
    comparison = compare([results(tmp_path, rows)])
    assert list(comparison.ids) == [f"row-{n}:{name}" for n in range(3) for name in NAMES]
    assert comparison.truths == {
        "row-0:material": "Metal", "row-0:damaged": "yes", "row-1:material": "metal",
        "row-2:material": "wood",
    }  # fmt: skip
    assert comparison.wrong_ids == ["row-1:material", "row-2:material"]
    assert comparison.failed(comparison.first) == 2
    assert any("equals the column of its field" in note for note in comparison.notes())


def test_two_files_are_compared_field_by_field(tmp_path: Path) -> None:
    before = [answered(0, "metal", damaged=True), answered(1, "wood", damaged=True)]
    after = [answered(0, "metal", damaged=False), answered(1, "wood", damaged=True)]
    files = [results(tmp_path, before, "a.jsonl"), results(tmp_path, after, "b.jsonl")]
    (change,) = compare(files).changes
    assert change.changed == ["row-0:damaged"]


def test_a_truth_may_be_an_object_of_fields(tmp_path: Path) -> None:
    """A plain text is about a field only if there is no other one."""
    rows = [
        answered(0, "metal", damaged=True, extra={"gold": {"material": "wood", "damaged": True}})
    ]
    comparison = compare([results(tmp_path, rows)], "gold")
    assert comparison.truths == {"row-0:material": "wood", "row-0:damaged": "yes"}
    assert comparison.wrong_ids == ["row-0:material"]


def test_truths_of_a_table_are_read_by_the_type_of_the_field(tmp_path: Path) -> None:
    """Programs that write tables have their own forms of booleans and numbers."""
    described = [
        {"name": "worn", "type": "choice", "choices": ["Yes", "No"]},
        {"name": "damaged", "type": "boolean", "choices": ["yes", "no"]},
        {"name": "price", "type": "number"},
        {"name": "count", "type": "integer"},
        {"name": "text", "type": "text"},
    ]
    answers = {"worn": "Yes", "damaged": False, "price": 12.5, "count": 1000, "text": "1000"}
    truths = [
        {"worn": True, "damaged": "0.0", "price": "12.50", "count": "1,000", "text": "1,000"},
        {"worn": "TRUE", "damaged": 0.0, "price": "+12.5", "count": 1000.0, "text": "1000"},
        {"worn": False, "damaged": 1, "price": "12.5 to 13", "count": "-1000", "text": ""},
    ]
    rows = [
        row(n, options={"fields": described}, fields=answers, extra=truth)
        for n, truth in enumerate(truths)
    ]
    comparison = compare([results(tmp_path, rows)], rule=AnswerRule(is_strict=True))
    wrong = {"row-0:text", *(f"row-2:{name}" for name in ("worn", "damaged", "price", "count"))}
    assert set(comparison.wrong_ids) == wrong


def test_a_text_is_no_truth_of_several_fields(tmp_path: Path) -> None:
    rows = [answered(0, "metal", damaged=True, extra={"label": "bin", "empty": ""})]
    file = results(tmp_path, rows)
    with pytest.raises(InputError, match="need an object there, like") as raised:
        compare([file], "label")
    assert "did you mean" not in str(raised.value)
    plain = results(tmp_path, [row(0, extra={"empty": ""})], "plain.jsonl")
    with pytest.raises(InputError, match="its cells are empty there; its columns are 'empty'"):
        compare([plain], "empty")
