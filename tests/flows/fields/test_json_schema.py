"""Fields from a JSON Schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from vipllava_cli.engine.fields import Field, FieldType, boolean_field
from vipllava_cli.errors import InputError
from vipllava_cli.flows.fields.json_schema import fields_of_schema, read_schema

FLAT = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Part",
    "type": "object",
    "properties": {
        "material": {"type": "string", "enum": ["metal", "wood"], "description": "what is {1} made of?"},
        "text": {"type": "string", "title": "Text"},
        "plate": {"type": ["string", "null"], "title": "number plate"},
        "damaged": {"type": "boolean", "description": "is {1} broken?"},
        "wheels": {"type": "integer", "enum": [2, 4]},
        "count": {"type": "integer", "minimum": 0},
        "length": {"type": "number"},
    },
    "required": ["material", "damaged"],
    "additionalProperties": False,
}  # fmt: skip


def schema(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


def test_a_flat_schema_is_read(tmp_path: Path) -> None:
    path = tmp_path / "part.json"
    path.write_text(json.dumps(FLAT), encoding="utf-8-sig")
    fields, notes = read_schema(str(path))
    material = ("metal", "wood")
    assert fields == (
        Field("material", FieldType.choice, "what is {1} made of?", material, material),
        Field("text", FieldType.text),
        Field("plate", FieldType.text, title="number plate"),
        boolean_field("damaged", "is {1} broken?"),
        Field("wheels", FieldType.choice, None, ("2", "4"), (2, 4)),
        Field("count", FieldType.integer),
        Field("length", FieldType.number),
    )
    assert notes == ("property 'count': answers are not checked for minimum",)


@pytest.mark.parametrize(
    ("property", "word"),
    [
        ({"type": "object", "properties": {}}, "object"),
        ({"type": "array", "items": {"type": "string"}}, "array"),
        ({"$ref": "#/$defs/Part"}, "$ref"),
        ({"$ref": "#/$defs/Part/properties/x"}, "$ref"),
        ({"$ref": "other.json"}, "$ref"),
        ({"$ref": 3}, "$ref"),
        ({"oneOf": [{"type": "string"}, {"type": "boolean"}]}, "oneOf"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "anyOf"),
        ({"anyOf": [{"enum": ["a", "b"]}, {"type": "string"}]}, "anyOf"),
        ({"anyOf": [{"type": "null"}]}, "anyOf"),
        ({"anyOf": []}, "anyOf"),
        ({"anyOf": "string"}, "anyOf"),
        ({"anyOf": [{"type": "array", "items": {}}, {"type": "null"}]}, "array"),
        ({"allOf": [{"type": "string"}, {"enum": ["a", "b"]}]}, "allOf"),
        ({"type": "string", "not": {"enum": ["x"]}}, "not"),
        ({"type": ["string", "integer"]}, "string and integer"),
        ({"type": "null"}, "null"),
        ({"type": "text"}, "text"),
        ({"type": 3}, "3"),
        ({}, "neither a type nor an enum"),
        ("string", "is an object"),
        ({"enum": ["one"]}, "two or more"),
        ({"enum": "one"}, "its enum is a list"),
        ({"enum": [["a"], ["b"]]}, "its enum is a list"),
        ({"enum": []}, "two or more"),
        ({"type": "integer", "enum": [1, "two"]}, "another type"),
        ({"type": "integer", "enum": [True, 2]}, "another type"),
        ({"type": "string", "enum": ["a", "a"]}, "different"),
        ({"type": "string", "description": 3}, "its description is text"),
    ],
)
def test_anything_deeper_names_the_property(property: Any, word: str) -> None:
    with pytest.raises(InputError) as error:
        fields_of_schema(schema(size={"type": "number"}, parts=property))
    message = str(error.value)
    assert "'parts'" in message
    assert word in message
    assert "\n" not in message


def test_the_optional_values_and_enum_classes_of_pydantic_are_flat() -> None:
    null = {"type": "null"}
    value = {
        "$defs": {
            "Material": {"enum": ["metal", "wood"], "title": "Material", "type": "string",
                         "description": "An enumeration."},
            "Count": {"enum": [1, 2], "title": "Count", "type": "integer"},
        },
        **schema(
            part={"$ref": "#/$defs/Material"},
            cover={"anyOf": [{"$ref": "#/$defs/Material"}, null], "default": None},
            wheels={"anyOf": [{"$ref": "#/$defs/Count"}, null], "description": "how many?"},
            frame={"allOf": [{"$ref": "#/$defs/Material"}], "default": "metal", "title": "big frame"},
            plate={"anyOf": [{"type": "string", "maxLength": 9}, null], "title": "Plate"},
            price={"anyOf": [{"type": "integer"}, {"type": "number"}, null]},
            color={"oneOf": [{"const": "red", "title": "Red"}, {"const": "blue"}]},
            paintColor={"type": "string", "title": "Paintcolor"},
        ),
    }  # fmt: skip
    material = ("metal", "wood")
    fields, notes = fields_of_schema(value)
    assert fields == (
        Field("part", FieldType.choice, None, material, material),
        Field("cover", FieldType.choice, None, material, material),
        Field("wheels", FieldType.choice, "how many?", ("1", "2"), (1, 2)),
        Field("frame", FieldType.choice, None, material, material, "big frame"),
        Field("plate", FieldType.text),
        Field("price", FieldType.number),
        Field("color", FieldType.choice, None, ("red", "blue"), ("red", "blue")),
        Field("paintColor", FieldType.text),
    )
    assert notes == ("property 'plate': answers are not checked for maxLength",)


def test_the_envelopes_of_structured_outputs_are_opened() -> None:
    inner = {"name": "part", "strict": True, "schema": FLAT}
    assert fields_of_schema(inner) == fields_of_schema(FLAT)
    assert fields_of_schema({"type": "json_schema", "json_schema": inner}) == fields_of_schema(FLAT)
    referring = {"$ref": "#/definitions/Part", "definitions": {"Part": FLAT}}
    assert fields_of_schema(referring) == fields_of_schema(FLAT)


def test_a_constant_is_not_asked() -> None:
    fields, notes = fields_of_schema(
        schema(kind={"const": "x", "type": "string"}, text={"type": "string"})
    )
    assert [field.name for field in fields] == ["text"]
    assert notes == ("property 'kind' is always 'x': it is not asked",)
    with pytest.raises(InputError, match="nothing to ask"):
        fields_of_schema(schema(kind={"const": "x"}))


def test_a_definition_that_refers_to_itself_is_refused() -> None:
    value = {**schema(a={"$ref": "#/$defs/A"}), "$defs": {"A": {"$ref": "#/$defs/A"}}}
    with pytest.raises(InputError, match=r"property 'a'.* refers to itself"):
        fields_of_schema(value)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "expected an object schema"),
        ("x", "expected an object schema"),
        ({"type": "array", "items": {}}, "expected an object schema"),
        ({"type": "object"}, "expected an object schema"),
        ({"type": "object", "properties": {}}, "no properties"),
        ({**FLAT, "oneOf": []}, "uses oneOf"),
        ({**FLAT, "required": ["colour"]}, "'colour', which is no property"),
        ({**FLAT, "required": "material"}, "required is a list"),
        (schema(a={"type": "string"}, A={"type": "string"}), "two fields have the name 'A'"),
        (schema(**{" ": {"type": "string"}}), "empty name"),
    ],
)
def test_a_schema_that_is_not_an_object_of_properties_is_refused(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fields_of_schema(value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", "is no JSON Schema"),
        (b"\xff\xfe{", "is not UTF-8"),
        (b'{"properties": {"a": {"type": "string"}, "a": {"type": "integer"}}}', "the name 'a'"),
        (b"[" * 100_000, "is no JSON Schema"),
        (b"[1]", "expected an object schema"),
    ],
)
def test_a_damaged_file_is_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "part.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        read_schema(str(path))
    assert str(path) in str(error.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"there is no file .*part\.json"):
        read_schema(str(tmp_path / "part.json"))
    with pytest.raises(InputError, match="cannot be read"):
        read_schema(str(tmp_path))
