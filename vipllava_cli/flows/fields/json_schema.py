"""Fields from a JSON Schema: an object of text, enum, boolean, integer and number properties."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

from vipllava_cli.engine.fields import Field, FieldType, FieldValue, boolean_field
from vipllava_cli.engine.prompts.choices import check_choices
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.fields.grammar import check_names, named
from vipllava_cli.flows.fields.schema_forms import flatten, unwrap_schema
from vipllava_cli.flows.fields.wording import words_of_name
from vipllava_cli.storage.json_files import read_json

_MAX_BYTES = 1 << 20

_EXAMPLE = '{"type": "object", "properties": {"material": {"enum": ["metal", "wood"]}}}'

# Keywords of a property that is not flat, or whose values depend on each other.
_DEEP = (
    "$ref", "oneOf", "anyOf", "allOf", "not", "if", "then", "else", "items", "prefixItems",
    "contains", "properties", "patternProperties", "additionalProperties",
)  # fmt: skip
_DEEP_ROOT = ("$ref", "oneOf", "anyOf", "allOf", "not", "if", "patternProperties", "items")

# Keywords that limit a value. The answer of a model is not checked against them.
_LIMITS = (
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength",
    "maxLength", "pattern", "format",
)  # fmt: skip

_TYPES: Mapping[str, FieldType] = {
    "string": FieldType.text,
    "integer": FieldType.integer,
    "number": FieldType.number,
    "boolean": FieldType.boolean,
}


class SchemaFields(NamedTuple):
    """The fields of a schema, with notes for the user."""

    fields: tuple[Field, ...]
    notes: tuple[str, ...] = ()


def read_schema(path: str) -> SchemaFields:
    """Read the fields of a JSON Schema file. Raises InputError."""
    try:
        value = read_json(path, _MAX_BYTES, streams=True, object_pairs_hook=_unique)
    except FileNotFoundError:
        raise InputError(f"there is no file {path}: expected a JSON Schema") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text: expected a JSON Schema") from None
    except ValueError as error:
        raise InputError(f"{path} is no JSON Schema: {error}") from None
    try:
        return fields_of_schema(value)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object. Raises ValueError for two values with one name: JSON would keep the last."""
    values = dict(pairs)
    if len(values) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        double = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"two values have the name {short_repr(double)}")
    return values


def fields_of_schema(schema: Any) -> SchemaFields:
    """Return the fields of a JSON Schema. Raises InputError."""
    schema = unwrap_schema(schema)
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or schema.get("type", "object") != "object":
        raise InputError(f"expected an object schema like {_EXAMPLE}, found {short_repr(schema)}")
    deep = next((word for word in _DEEP_ROOT if word in schema), None)
    if deep:
        raise InputError(f"the schema uses {deep}: expected flat properties only, like {_EXAMPLE}")
    if not properties:
        raise InputError(f"the schema has no properties: expected some, like {_EXAMPLE}")
    required = schema.get("required", [])
    if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
        raise InputError(f"required is a list of names, not {short_repr(required)}")
    missing = next((name for name in required if name not in properties), None)
    if missing is not None:
        raise InputError(f"required names {short_repr(missing)}, which is no property")
    names = [_check_name(name) for name in properties]
    check_names(names)
    flat = {
        name: _flat(name, given, schema)
        for name, given in zip(names, properties.values(), strict=True)
    }
    fields = [_field(name, given) for name, given in flat.items() if "const" not in given]
    if not fields:
        raise InputError("every property of the schema is a constant: there is nothing to ask")
    return SchemaFields(tuple(fields), tuple(_notes(flat)))


def _flat(name: str, given: Any, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    what = f"property {short_repr(name)}"
    if not isinstance(given, Mapping):
        raise InputError(f"{what} is an object like {{'type': 'string'}}, not {short_repr(given)}")
    try:
        return flatten(given, schema)
    except InputError as error:
        raise InputError(f"{what}: {error}") from None


def _check_name(name: str) -> str:
    if not name.strip():
        raise InputError("a property has an empty name")
    return name.strip()


def _notes(properties: Mapping[str, Mapping[str, Any]]) -> list[str]:
    constants = [
        f"property {short_repr(name)} is always {short_repr(each['const'])}: it is not asked"
        for name, each in properties.items()
        if "const" in each
    ]
    limits = {name: [word for word in _LIMITS if word in each] for name, each in properties.items()}
    return constants + [
        f"property {short_repr(name)}: answers are not checked for {', '.join(words)}"
        for name, words in limits.items()
        if words and "const" not in properties[name]
    ]


# --- one property ----------------------------------------------------------------------------


def _field(name: str, given: Mapping[str, Any]) -> Field:
    what = f"property {short_repr(name)}"
    kind = _type_name(what, given)
    deep = next((word for word in _DEEP if word in given), None)
    if deep:
        raise InputError(f"{what} uses {deep}: {_FLAT}")
    question, title = _text(what, given, "description"), _text(what, given, "title")
    if title and _letters(title) == _letters(words_of_name(name)):
        title = None  # the title that a program made of the name
    if "enum" in given:
        return _enum_field(name, question, title, given["enum"], kind)
    if kind is None:
        raise InputError(f"{what} has neither a type nor an enum: {_FLAT}")
    if kind is FieldType.boolean:
        return boolean_field(name, question, title)
    return Field(name, kind, question, title=title)


def _letters(text: str) -> str:
    return text.casefold().replace(" ", "")


_FLAT = "expected a string, an enum, a boolean, an integer or a number"


def _type_name(what: str, given: Mapping[str, Any]) -> FieldType | None:
    """Return the type of a property; `["string", "null"]` is a string. None without a type."""
    value = given.get("type")
    if value is None:
        return None
    names = [name for name in (value if isinstance(value, list) else [value]) if name != "null"]
    if len(names) != 1 or names[0] not in tuple(_TYPES):
        found = " and ".join(map(str, names)) or "null"
        raise InputError(f"{what} is of the type {short_repr(found)}: {_FLAT}")
    return _TYPES[names[0]]


def _text(what: str, given: Mapping[str, Any], word: str) -> str | None:
    value = given.get(word)
    if value is not None and not isinstance(value, str):
        raise InputError(f"{what}: its {word} is text, not {short_repr(value)}")
    return " ".join(value.split()) or None if value else None


_PYTHON_TYPES: Mapping[FieldType, tuple[type, ...]] = {
    FieldType.text: (str,),
    FieldType.boolean: (bool,),
    FieldType.integer: (int,),
    FieldType.number: (int, float),
}


def _enum_field(
    name: str, question: str | None, title: str | None, enum: Any, kind: FieldType | None
) -> Field:
    what = f"property {short_repr(name)}"
    if not isinstance(enum, list) or not all(_is_value(value) for value in enum):
        raise InputError(f"{what}: its enum is a list of texts, numbers or booleans")
    values: list[FieldValue] = [value for value in enum if value is not None]
    if kind is not None:
        wrong = next((value for value in values if not _has_type(value, kind)), None)
        if wrong is not None:
            raise InputError(f"{what}: {short_repr(wrong)} of its enum has another type")
    if values and set(map(type, values)) == {bool}:
        return boolean_field(name, question, title)
    texts = [value.strip() if isinstance(value, str) else json.dumps(value) for value in values]
    choices = named(name, lambda: check_choices(texts))
    return Field(name, FieldType.choice, question, choices, tuple(values), title)


def _is_value(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float)


def _has_type(value: FieldValue, kind: FieldType) -> bool:
    is_misplaced_bool = isinstance(value, bool) and kind is not FieldType.boolean
    return isinstance(value, _PYTHON_TYPES[kind]) and not is_misplaced_bool
