"""The default question of a field."""

import pytest

from vipllava_cli.engine.fields import Field, FieldType
from vipllava_cli.flows.fields.grammar import parse_fields
from vipllava_cli.flows.fields.wording import fields_question, split_question


@pytest.mark.parametrize(
    ("fields", "marked", "unmarked"),
    [
        ("material: metal|wood", "What is the material of {1}?", "What is the material in this image?"),
        ("text: free", "What is the text of {1}?", "What is the text in this image?"),
        ("damaged: yes|no", "Is {1} damaged?", "Is this image damaged?"),
        ("damaged: No|Yes", "Is {1} damaged?", "Is this image damaged?"),
        ("damaged: yes|no|unclear", "Is {1} damaged?", "Is this image damaged?"),
        ("is_broken: boolean", "Is {1} broken?", "Is this image broken?"),
        ("has_wheels: yes|no", "Does {1} have wheels?", "Does this image have wheels?"),
        ("is: yes|no", "Is {1} is?", "Is this image is?"),
        ("age: integer", "What is the age of {1}?", "What is the age in this image?"),
        ("paint_color: red|blue", "What is the paint color of {1}?",
         "What is the paint color in this image?"),
        ("paintColor: red|blue", "What is the paint color of {1}?",
         "What is the paint color in this image?"),
        ("VIN: free", "What is the VIN of {1}?", "What is the VIN in this image?"),
        ("a{2}: free", "What is the a(2) of {1}?", "What is the a(2) in this image?"),
        ('x "is {1} a {label}?": yes|no', "is {1} a {label}?", "is {1} a {label}?"),
    ],
)  # fmt: skip
def test_the_wording(fields: str, marked: str, unmarked: str) -> None:
    parsed = parse_fields(fields)
    assert fields_question(parsed, has_marks=True) == marked
    assert fields_question(parsed, has_marks=False) == unmarked


def test_each_field_has_its_line_of_the_question() -> None:
    fields = parse_fields('a "one\n  line?": x|y; b: free')
    question = fields_question(fields, has_marks=True)
    assert split_question(question) == ["one line?", "What is the b of {1}?"]


def test_a_title_is_said_in_place_of_the_name() -> None:
    field = Field("vin", FieldType.text, title="number plate")
    assert fields_question([field], has_marks=True) == "What is the number plate of {1}?"
