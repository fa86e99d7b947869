"""`fields=` in the Python API."""

from typing import Any

import pytest

from tests.conftest import SAMPLES
from tests.support.fake_engine import FakeEngine
from vipllava_cli import Box, GenerationOptions, InputError, Model, UsageError

IMAGE = str(SAMPLES / "garden.png")
BOX = Box(299, 53, 517, 242)
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean", "minimum": 1}}}


@pytest.fixture
def model() -> Model:
    return Model(FakeEngine())


def test_a_response_has_the_fields(model: Model) -> None:
    answer = model.ask(IMAGE, fields="kind: a|b; text: free", marks=[BOX])
    assert list(answer.fields) == ["kind", "text"]
    assert answer.fields["kind"] in ("a", "b")
    assert sorted(answer.field_probabilities["kind"].values()) == pytest.approx([0.3, 0.7])
    assert answer.record["fields"] == answer.fields
    assert answer.text.startswith(f"kind: {answer.fields['kind']}; text: ")
    plain = model.ask(IMAGE, "what is it?")
    assert (plain.fields, plain.field_probabilities) == ({}, {})


def test_a_schema_is_a_dict(model: Model) -> None:
    answer = model.ask(IMAGE, fields=SCHEMA)
    assert answer.fields["ok"] in (True, False)
    assert answer.notes == ("property 'ok': answers are not checked for minimum",)


def test_a_batch_asks_every_row_the_fields(model: Model) -> None:
    """A row with a question, or one that cannot be read, fails alone."""
    rows: Any = [
        {"image": IMAGE, "marks": [BOX]},
        {"image": IMAGE, "question": "what?"},
        {"image": "missing.png"},
    ]
    first, second, third = model.batch(rows, fields="kind: a|b")
    assert first.fields["kind"] == model.ask(IMAGE, fields="kind: a|b", marks=[BOX]).fields["kind"]
    assert second.error == "row 2 has a question, which the fields replace: remove it"
    assert third.error
    assert third.fields == {}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"question": "what?"}, UsageError, "remove the question"),
        ({"choices": ["a", "b"]}, UsageError, "remove the choices"),
        ({"options": GenerationOptions(temperature=1.0)}, UsageError, "remove the temperature"),
        ({"fields": "kind: a"}, InputError, "fields: the field 'kind' has one value"),
        ({"fields": ["kind"]}, InputError, "or a JSON Schema as fields"),
        ({"fields": {"kind": "a|b"}}, InputError, "expected an object schema"),
        ({"fields": None}, UsageError, "expected text as question, found None"),
    ],
)
def test_what_makes_no_sense_is_refused(
    model: Model, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        model.ask(IMAGE, **{"fields": "kind: a|b", **arguments})
