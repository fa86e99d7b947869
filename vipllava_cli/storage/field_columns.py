"""The columns of a table for the fields of structured answers."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

PROBABILITY = ".probability"  # the end of the name of a column
PREFIX = "field_"  # of a field with the name of another column

# The type of a column whose values all have this Python type; text for mixed values.
_TYPES: Mapping[type, str] = {bool: "bool_", int: "int64", float: "float64"}
_INT64 = range(-(2**63), 2**63)


@dataclass
class FieldColumns:
    """The columns of a field: its value, and the probability of a value that was chosen."""

    name: str
    column: str
    type: str = ""
    has_probability: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        probability = (self.column + PROBABILITY,) if self.has_probability else ()
        return (self.column, *probability)

    def types(self) -> Iterator[tuple[str, str]]:
        """Yield each column with its type."""
        yield from zip(self.columns, (self.type or "string", "float64"), strict=False)

    def cells(self, record: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """Yield each column with the value of a record, None if it lacks the field."""
        value = (record.get("fields") or {}).get(self.name)
        is_text = self.type == "string" and value is not None
        yield self.column, str(value) if is_text else value
        if self.has_probability:
            choices = (record.get("field_probabilities") or {}).get(self.name)
            yield self.column + PROBABILITY, max(choices.values()) if choices else None

    def add(self, record: Mapping[str, Any], value: Any) -> None:
        """Take a value into account."""
        if (record.get("field_probabilities") or {}).get(self.name):
            self.has_probability = True
        if value is None:
            return
        kind = _TYPES.get(type(value), "string")
        if type(value) is int and value not in _INT64:
            kind = "string"
        if self.type and self.type != kind:
            is_number = {self.type, kind} == {"int64", "float64"}
            kind = "float64" if is_number else "string"
        self.type = kind


def find_field_columns(
    records: Iterable[Mapping[str, Any]], reserved: Collection[str]
) -> list[FieldColumns]:
    """Find the fields of records, in the order in which they occur. `reserved` columns are taken."""
    found: dict[str, FieldColumns] = {}
    for record in records:
        for name, value in (record.get("fields") or {}).items():
            if name not in found:
                found[name] = FieldColumns(name, name)
            found[name].add(record, value)
    taken = set(reserved)
    for each in found.values():
        each.column = each.name.encode("utf-8", "backslashreplace").decode()
        while not taken.isdisjoint(each.columns):
            each.column = PREFIX + each.column
        taken.update(each.columns)
    return list(found.values())
