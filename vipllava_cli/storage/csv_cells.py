"""Cells of a CSV file that a spreadsheet shows as text, where it would run a formula."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vipllava_cli.storage.number_text import parse_number

TEXT_MARK = "'"  # a spreadsheet shows the rest of the cell as it is
_WIDE = ("\uff1d", "\uff0b", "\uff0d", "\uff20")  # =, +, - and @ of East Asian input methods
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", *_WIDE)


def text_cell(value: Any) -> Any:
    """Put an apostrophe before a text that a spreadsheet would run. Numbers stay numbers."""
    if not isinstance(value, str) or not value.startswith(_FORMULA_STARTS) or _is_number(value):
        return value
    return TEXT_MARK + value


def text_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield rows with `text_cell` of each name and value."""
    for row in rows:
        yield {text_cell(name): text_cell(value) for name, value in row.items()}


def _is_number(text: str) -> bool:
    try:
        parse_number(text)
    except ValueError:
        return False
    return True
