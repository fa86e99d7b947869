"""Marks as JSON, in records, manifests and marks files."""

import json
from pathlib import Path
from typing import Any

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.json_marks import mark_from_json, mark_to_json, read_marks_file
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import MarkStyle

BOX = {"shape": "box", "coords": [10, 20, 30, 40]}


def test_every_shape_is_unchanged_after_a_round_trip_through_json() -> None:
    texts = {
        "box": "10,20,30,40",
        "ellipse": "10,20,30,40",
        "arrow": "10,20,30.5,40",
        "point": "10,20",
        "triangle": "10,20,30,40,50,20",
        "scribble": "10,20,30,40,50,20,60,70",
        "mask": "10,20,30,40,50,20",
        "contour": "10,20,30,40,50,20",
    }
    assert set(texts) == set(SHAPES)
    for shape, text in texts.items():
        spec = parse_mark(shape, f"#123456:{text}")
        style = MarkStyle(width=5, alpha=0.25)
        mark = resolve_marks([spec], (100, 100), style=style).marks[0]
        assert (mark.width, mark.alpha) == (5, 0.25)
        again = resolve_coordinates([mark_from_json(mark_to_json(mark))], 100, 100).marks[0]
        assert again == mark


def test_the_json_form_of_a_mark_is_stable() -> None:
    mark = resolve_coordinates([mark_from_json(BOX | {"label": "dog"})], 200, 100).marks[0]
    assert json.dumps(mark_to_json(mark)) == (
        '{"shape": "box", "coords": [10, 20, 30, 40], "color": "red", "width": 3, "alpha": 1.0,'
        ' "label": "dog", "units": "px"}'
    )


def test_a_mark_in_json_may_have_its_own_units() -> None:
    value = {"shape": "box", "coords": [0.1, 0.2, 0.5, 0.6], "units": "unit"}
    mark = resolve_coordinates([mark_from_json(value)], 200, 100).marks[0]
    assert mark.bounds == (20, 20, 100, 60)


@pytest.mark.parametrize(
    "value",
    [
        "box",
        {},
        {"shape": "hexagon", "coords": [1, 2]},
        {"shape": "box"},
        {"shape": "box", "coords": [1, 2, 3]},
        {"shape": "box", "coords": [1, 2, 3, "4"]},
        {"shape": "box", "coords": [1, 2, 3, True]},
        {"shape": "box", "coords": [1, 2, 3, 10**400]},
        {"shape": "box", "coords": [[1, 2, 3, 4], [5, 6, 7, 8]]},
        {"shape": "box", "coords": [1, 2, 3, float("nan")]},
        {"shape": "box", "coords": [1, 2, 3, 4], "colour": "red"},
        {"shape": "box", "coords": [1, 2, 3, 4], "color": "blurple"},
        {"shape": "box", "coords": [1, 2, 3, 4], "width": "thick"},
        {"shape": "box", "coords": [1, 2, 3, 4], "width": 0},
        {"shape": "box", "coords": [1, 2, 3, 4], "alpha": 1.5},
        {"shape": "box", "coords": [1, 2, 3, 4], "units": "inch"},
        {"shape": "box", "coords": [1, 2, 3, 4], "units": ["px"]},
        {"shape": "box", "coords": [1, 2, 3, 4], "label": 7},
        {"shape": "box", "file": "mask.png"},
        {"shape": "mask", "coords": [[1, 2, 3, 4, 5, 6], 7]},
    ],
)
def test_the_error_for_a_wrong_mark_is_one_line(value: object) -> None:
    with pytest.raises(InputError) as caught:
        mark_from_json(value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [[BOX, BOX], {"marks": [BOX, BOX]}])
def test_a_marks_file_is_a_list_or_an_object_with_one(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "marks.json"
    path.write_text(json.dumps(value))
    specs = read_marks_file(str(path), "percent").marks
    assert specs == [mark_from_json(BOX, "percent")] * 2


def test_a_file_of_several_records_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"marks": []}\n{"marks": []}\n')
    with pytest.raises(
        InputError, match="several JSON values, like the records of several answers"
    ):
        read_marks_file(str(path))


def test_a_record_has_its_marks_and_those_of_its_answer(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    box = {"shape": "box", "coords": [1, 2, 3, 4]}
    path.write_text(json.dumps({"schema": 1, "marks": [box], "answer_marks": [box, box]}))
    found = read_marks_file(str(path))
    assert (len(found.marks), len(found.answer_marks), len(found.all_marks)) == (1, 2, 3)
    for broken in ("box", [1], None):
        path.write_text(json.dumps({"marks": [], "answer_marks": broken}))
        with pytest.raises(InputError, match="marks"):
            read_marks_file(str(path))
