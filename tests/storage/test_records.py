"""Records as JSON: the check of their fields, and the stable key."""

import json
from dataclasses import fields, replace
from typing import Any

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.storage import records
from vipllava_cli.storage.records import (
    SCHEMA,
    Failure,
    Record,
    Request,
    check_record,
    failure,
    record_from_json,
    stable_key,
)

REQUEST = Request(
    id="a.png",
    key="key-a",
    image="a.png",
    width=20,
    height=10,
    marks=({"shape": "point", "coords": [1, 2]},),
    numbers=False,
    crop=(0, 0, 5, 5),
    question="what?",
    model="tiny",
    revision="1",
    template="human",
    options={"seed": 0},
    extra={"wanted": "a dog"},
)
RECORD = Record(REQUEST, answer="a dog", finish_reason="stop", prompt_tokens=3, answer_tokens=2)


def test_the_table_of_types_is_complete() -> None:
    names = {each.name for each in (*fields(Request), *fields(Record))}
    names -= {"request", "choices", "note"}
    assert set(records._FIELD_TYPES) == names


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        Record(replace(REQUEST, width=None, height=None, crop=None), "yes", "length"),
        replace(RECORD, answer_marks=({"shape": "box", "coords": [1, 2, 3, 4]},)),
    ],
)
def test_a_record_is_unchanged_after_a_round_trip_through_json(record: Record) -> None:
    assert record_from_json(json.loads(record.to_line())) == record


def test_marks_of_an_answer_are_there_only_if_there_are_any() -> None:
    assert "answer_marks" not in RECORD.to_json()
    assert "answer_marks" not in replace(RECORD, answer_marks=()).to_json()


def test_a_note_is_no_part_of_a_record() -> None:
    assert "note" not in replace(RECORD, note="a note").to_json()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, '"schema": 1'),
        ({"id": 7}, "id is text, not 7"),
        ({"width": "20"}, "width is a whole number or null, not '20'"),
        ({"width": True}, "width is a whole number or null, not True"),
        ({"numbers": 1}, "numbers is true or false, not 1"),
        ({"marks": {}}, "marks is a list, not {}"),
        ({"marks": ["box"]}, "marks are objects"),
        ({"answer_marks": ["box"]}, "answer_marks are objects"),
        ({"answer_marks": 1}, "answer_marks is a list or null, not 1"),
        ({"crop": [1, 2, 3]}, "crop is four whole numbers"),
        ({"crop": [1, 2, 3, 4.5]}, "crop is four whole numbers"),
        ({"options": None}, "options is an object, not None"),
        ({"answer": None}, "answer is text, not None"),
        ({"seconds": "1"}, "seconds is a number, not '1'"),
        ({"device": 0}, "device is text or null, not 0"),
    ],
)
def test_a_wrong_field_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        record_from_json(json.loads(RECORD.to_line()) | change)
    assert message in str(caught.value)


@pytest.mark.parametrize("row", [None, [], "record", {}, {"schema": "1"}])
def test_a_row_without_the_schema_is_refused(row: object) -> None:
    with pytest.raises(ValueError, match='a record is an object with "schema": 1'):
        check_record(row, required=())


def test_only_the_named_fields_are_checked() -> None:
    row = {"schema": SCHEMA, "id": "a", "answer": 7, "unknown": []}
    assert check_record(row, required=("id",), optional=("question",)) is row
    with pytest.raises(ValueError, match="answer is text or null, not 7"):
        check_record(row, required=("id",), optional=("answer",))
    with pytest.raises(ValueError, match="key is text, not None"):
        check_record(row, required=("key",))


def test_an_unexpected_exception_is_recorded_as_a_bug() -> None:
    assert failure(InputError("gone")) == Failure("InputError", "gone")
    assert failure(KeyError("x")) == Failure("Bug", "KeyError: 'x'")


def test_the_stable_key_does_not_change_between_versions() -> None:
    assert stable_key(a=1, b="x") == stable_key(b="x", a=1) == "ce5c626fb4030742"
    assert stable_key(a=1) != stable_key(a=2)
