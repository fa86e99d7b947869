"""The marks of a record -> marks on its image."""

from collections.abc import Iterable, Mapping
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.types import Mark


def read_recorded_marks(
    values: Iterable[Mapping[str, Any]], size: tuple[int, int]
) -> tuple[Mark, ...]:
    """Read the marks of a record whose image has this width and height. Raises InputError.

    Records hold outlines: a mark that names a file was edited, and the file is not opened.
    """
    specs = [mark_from_json(value) for value in values]
    for spec in specs:
        if spec.file is not None:
            raise InputError(f"the {spec.shape} names a file, {spec.file}: expected coordinates")
    return resolve_coordinates(specs, *size).marks
