"""The grammar of `--fields`."""

import pytest

from vipllava_cli.engine.fields import Field, FieldType, boolean_field
from vipllava_cli.errors import InputError
from vipllava_cli.flows.fields.grammar import EXAMPLE, parse_fields


def choice(name: str, *choices: str, question: str | None = None) -> Field:
    return Field(name, FieldType.choice, question, choices, choices)


FREE = Field("text", FieldType.text)


def test_the_example_of_the_messages_is_read() -> None:
    assert parse_fields(EXAMPLE) == (
        choice("material", "metal", "wood", "plastic"),
        choice("damaged", "yes", "no"),
        FREE,
    )


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("text:free", (FREE,)),
        (" text :  FREE ; ", (FREE,)),
        ("text: string", (FREE,)),
        ("text: str", (FREE,)),
        ("text: free\nn: integer\n", (FREE, Field("n", FieldType.integer))),
        ("n: int; x: number; y: float; ok: boolean", (
            Field("n", FieldType.integer),
            Field("x", FieldType.number),
            Field("y", FieldType.number),
            boolean_field("ok"),
        )),
        ("paint  color: dark red | blue", (choice("paint color", "dark red", "blue"),)),
        ("price: free|paid", (choice("price", "free", "paid"),)),
        # An own question, in either quotes.
        ('damaged "is {1} broken?": yes|no', (
            choice("damaged", "yes", "no", question="is {1} broken?"),
        )),
        ("damaged 'is {1}; broken: or not|?': boolean", (
            boolean_field("damaged", "is {1}; broken: or not|?"),
        )),
        # Quotes and escapes for the signs.
        ('ratio: "16:9"|"4:3"', (choice("ratio", "16:9", "4:3"),)),
        (r"ratio: 16\:9|4\:3", (choice("ratio", "16:9", "4:3"),)),
        (r"a\;b: x\|y|z", (choice("a;b", "x|y", "z"),)),
        (r'say: "\"yes\""|no', (choice("say", '"yes"', "no"),)),
        ("dog's mood: it's calm|it isn't", (choice("dog's mood", "it's calm", "it isn't"),)),
        ("größe: groß|klein", (choice("größe", "groß", "klein"),)),
    ],
)  # fmt: skip
def test_fields_are_read(text: str, fields: tuple[Field, ...]) -> None:
    assert parse_fields(text) == fields


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found none"),
        (" ; ;; ", "found none"),
        ("material", "'material' has no values"),
        ("material:", "'material' has no values"),
        ("material: metal", "'material' has one value, 'metal'"),
        ("material: metal,wood", "'metal,wood': expected two or more choices like metal|wood"),
        ('material: "free"', "one value"),
        ("material: metal|", "'material': choices are two or more"),
        ("material: metal||wood", "is empty"),
        ("material: metal|metal", "two or more different"),
        (": metal|wood", "has no name"),
        ('"": metal|wood', "has no name"),
        ("a|b: c|d", "has a | before its colon"),
        ("a: b: c|d", "has two colons"),
        ("a: b|c d: e|f", "put ; between fields"),
        ("a: x|y; A: p|q", "two fields have the name 'A'"),
        ("a: x|y; a: p|q", "two fields have the name 'a'"),
        ("text: free; text: free", "two fields have the name 'text'"),
        ('a "what?: x|y', "is not closed"),
        ('a "": x|y', "the question of the field 'a' is empty"),
        ('a "what?" "why?": x|y', "one question in quotes"),
        ('a: "x" y|z', "text beside quotes"),
        ("a: x|y\\", "escapes nothing"),
        ("a: <image>|y", "control word"),
        ("n" * 61 + ": free", "at most 60 characters"),
    ],
)
def test_a_malformed_text_is_one_clear_line(text: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        parse_fields(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_example_for_wrong_choices_is_in_this_grammar() -> None:
    with pytest.raises(InputError, match=r'like "cat\|dog": one of') as error:
        parse_fields("kind: cat|")
    assert "cat,dog" not in str(error.value)
