"""Rewrite the forms in which programs write the properties of a JSON Schema to flat ones.

pydantic writes an optional text as `anyOf` of a string and null, and an enum class as `$ref`. OpenAI's
structured outputs put the schema into an envelope.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from vipllava_cli.errors import InputError, short_repr

_ENVELOPES = ("json_schema", "schema")
_DEFINITIONS = ("$defs", "definitions")
_WORDS = ("title", "description")  # of an enum class: they are about the class, not the property
_MAX_DEPTH = 10
_NUMBERS = ({"type": "integer"}, {"type": "number"})


def unwrap_schema(value: Any) -> Any:
    """Return the schema in the envelope of a structured output, and the one that `$ref` names."""
    for key in _ENVELOPES:
        if isinstance(value, Mapping) and "properties" not in value and key in value:
            value = value[key]
    return flatten(value, value) if isinstance(value, Mapping) and "$ref" in value else value


def flatten(given: Mapping[str, Any], root: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """Resolve `$ref`, and merge the alternatives of `anyOf` and `oneOf` that are one flat value.

    What is no flat value stays as it is. Raises InputError for a `$ref` that leads nowhere.
    """
    if depth > _MAX_DEPTH:
        raise InputError(f"the definition of {short_repr(given)} refers to itself")
    for word in ("$ref", "allOf", "anyOf", "oneOf"):
        if word in given:
            merged = _alternative(word, given[word], root, depth)
            if merged is None:
                return given
            own = {key: value for key, value in given.items() if key != word}
            return flatten({**merged, **own}, root, depth + 1)
    return given


def _alternative(
    word: str, value: Any, root: Mapping[str, Any], depth: int
) -> Mapping[str, Any] | None:
    """Return the one flat value that a keyword allows, or None."""
    if word == "$ref":
        return _without_words(_find_definition(value, root))
    if not isinstance(value, Sequence) or not all(isinstance(each, Mapping) for each in value):
        return None
    flat = [flatten(each, root, depth + 1) for each in value]
    if word == "allOf":
        return flat[0] if len(flat) == 1 else None
    some = [each for each in flat if not _is_null(each)]
    if len(some) == 1:
        return some[0]
    listed = [_listed_values(each) for each in some]
    if some and all(values is not None for values in listed):
        return {"enum": [each for values in listed for each in values or ()]}
    types = [{"type": each.get("type")} for each in some]
    return {"type": "number"} if types and all(each in _NUMBERS for each in types) else None


def _find_definition(name: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the definition that `#/$defs/NAME` names. Raises InputError."""
    parts = name.split("/") if isinstance(name, str) else []
    if len(parts) == 3 and parts[0] == "#" and parts[1] in _DEFINITIONS:
        definitions = root.get(parts[1])
        key = parts[2].replace("~1", "/").replace("~0", "~")
        found = definitions.get(key) if isinstance(definitions, Mapping) else None
        if isinstance(found, Mapping):
            return found
    raise InputError(f"the schema has no definition {short_repr(name)}, which a $ref names")


def _without_words(given: Mapping[str, Any]) -> Mapping[str, Any]:
    return {key: value for key, value in given.items() if key not in _WORDS}


def _is_null(given: Mapping[str, Any]) -> bool:
    return given.get("type") == "null" or ("const" in given and given["const"] is None)


def _listed_values(given: Mapping[str, Any]) -> list[Any] | None:
    if "const" in given:
        return [given["const"]]
    enum = given.get("enum")
    return enum if isinstance(enum, list) else None
