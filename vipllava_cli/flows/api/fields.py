"""The fields of a structured answer, as a Python program gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from vipllava_cli.engine.fields import Field
from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.fields.grammar import EXAMPLE, parse_fields
from vipllava_cli.flows.fields.json_schema import SchemaFields, fields_of_schema
from vipllava_cli.flows.fields.wording import fields_question

FieldsInput: TypeAlias = "str | Mapping[str, Any]"  # as for `--fields`, or a JSON Schema


def with_fields(
    options: GenerationOptions, fields: Any, question: Any
) -> tuple[GenerationOptions, tuple[str, ...]]:
    """Add fields to the options. Returns notes, too.

    Raises InputError for a field that cannot be used, and UsageError beside a question, choices or a
    temperature.
    """
    if fields is None and not options.fields:
        return options, ()
    schema = _read(options.fields if fields is None else fields)
    for name, is_given in (
        ("question", question is not None),
        ("choices", bool(options.choices)),
        ("temperature", options.temperature > 0),
    ):
        if is_given:
            raise UsageError(f"fields have questions and choices of their own: remove the {name}")
    return replace(options, fields=schema.fields), schema.notes


def _read(fields: Any) -> SchemaFields:
    if isinstance(fields, tuple) and all(isinstance(field, Field) for field in fields):
        return SchemaFields(fields)
    try:
        if isinstance(fields, str):
            return SchemaFields(parse_fields(fields))
        if isinstance(fields, Mapping):
            return fields_of_schema(fields)
    except InputError as error:
        raise InputError(f"fields: {error}") from None
    raise InputError(
        f'expected text like "{EXAMPLE}" or a JSON Schema as fields, found {short_repr(fields)}'
    )


def typed_question(question: str | None, options: GenerationOptions, *, has_marks: bool) -> str:
    """Return the question, or the questions of the fields, as typed."""
    if options.fields:
        return fields_question(options.fields, has_marks=has_marks)
    return question or ""
