"""The answers to fields -> values."""

import pytest

from vipllava_cli.engine.base import Answer, Choice
from vipllava_cli.engine.fields import Field, FieldType, FieldValue, boolean_field
from vipllava_cli.flows.fields.answers import combine_answers, field_value

INTEGER, NUMBER = Field("n", FieldType.integer), Field("x", FieldType.number)


@pytest.mark.parametrize(
    ("text", "integer", "number"),
    [
        ("3", 3, 3),
        ("three", 3, 3),
        ("Three dogs.", 3, 3),
        ("about 1,200 kg", 1200, 1200),
        ("-4", -4, -4),
        ("3.5", None, 3.5),
        ("2.0", 2, 2),
        ("a dog", None, None),
        ("", None, None),
        ("9" * 400, None, None),
    ],
)
def test_numbers(text: str, integer: FieldValue, number: FieldValue) -> None:
    assert field_value(INTEGER, text) == integer
    assert field_value(NUMBER, text) == number


def test_one_answer_holds_all_fields() -> None:
    fields = [
        boolean_field("damaged"),
        Field("wheels", FieldType.choice, None, ("2", "4"), (2, 4)),
        Field("text", FieldType.text),
        Field("empty", FieldType.text),
        Field("count", FieldType.integer),
    ]
    answers = [
        Answer("no", "stop", 10, 1, 0.5, (Choice("yes", -2.0, 0.1), Choice("no", -0.1, 0.9))),
        Answer("4", "stop", 10, 1, 0.5, (Choice("2", -2.0, 0.2), Choice("4", -0.1, 0.8))),
        Answer("A\nB", "length", 10, 5, 0.5),
        Answer("", "stop", 10, 0, 0.5),
        Answer("many", "stop", 10, 1, 0.5),
    ]
    combined = combine_answers(fields, answers)
    assert combined.values == {
        "damaged": False, "wheels": 4, "text": "A\nB", "empty": "", "count": None
    }  # fmt: skip
    assert combined.probabilities == {
        "damaged": {"yes": 0.1, "no": 0.9}, "wheels": {"2": 0.2, "4": 0.8}
    }  # fmt: skip
    answer = combined.answer
    assert answer.text == "damaged: no; wheels: 4; text: A B; empty:; count: many"
    assert (answer.finish_reason, answer.prompt_tokens, answer.answer_tokens) == ("length", 50, 8)
    assert answer.seconds == 2.5
