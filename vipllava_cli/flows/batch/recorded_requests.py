"""Requests in the form of records, to compare those of a journal with those of a run."""

import os
from collections.abc import Mapping
from typing import Any

from vipllava_cli.flows.requests import OPTIONAL_FIELDS
from vipllava_cli.images.source import is_any_address, parse_source, record_name
from vipllava_cli.storage.records import sorted_json, stable_key

Conditions = Mapping[str, Any]
Size = tuple[int, int]


def key_of(conditions: Conditions, fingerprint: str) -> str:
    """Return the key of a request about an image with this content, as records hold it."""
    beside = {name: conditions[name] for name in conditions if name not in ("frame", "image")}
    for name in OPTIONAL_FIELDS:
        if beside[name] is None:
            del beside[name]
    return stable_key(picture=fingerprint, **beside)


def recorded_size(record: Mapping[str, Any]) -> Size | None:
    """Return the width and height in a record, None if it has none."""
    size = record.get("width"), record.get("height")
    return size if all(type(side) is int and side > 0 for side in size) else None  # type: ignore[return-value]


def as_json(value: Any) -> Any:
    """Return a value as JSON has it: with lists instead of tuples."""
    if isinstance(value, Mapping):
        return {name: as_json(item) for name, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list | tuple) else value


def hash_of(conditions: Conditions) -> int:
    """Return a number that is equal for equal requests."""
    return hash(sorted_json(conditions))


def image_location(image: str) -> str:
    """Return the absolute path or the address of an image. Raises InputError for a frame 0."""
    location = parse_source(image).location
    if is_any_address(location):
        return record_name(location)
    return os.path.abspath(location)
