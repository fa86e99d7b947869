"""The cells of a row -> texts, numbers, lists and images, in every form that tables hold them."""

import ast
import base64
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.sample_images import image_suffix
from vipllava_cli.images.data_address import MAX_BASE64

_MAX_LITERAL = 1 << 20  # characters of a list or an object in a text
_LITERAL = re.compile(r"\s*[\[{(].*[\]})]\s*", re.DOTALL)
_LIST_SIGNS = re.compile(r"[,;|\n]+(?![^(\[{]*[)\]}])")  # not the commas of `(255, 0, 0)`


def text_cell(value: Any) -> str:
    """Return a cell as text, stripped; empty for none. `2.0` is `2`. A list or an object is JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, list | tuple | Mapping):
        return json.dumps(parsed_cell(value), ensure_ascii=False, default=str) if value else ""
    return str(value).strip()


def parsed_cell(value: Any) -> Any:
    """Return the list or object that a cell holds or writes as text. Other cells stay as they are.

    A map of Arrow is a list of pairs, and becomes an object.
    """
    if isinstance(value, str) and len(value) <= _MAX_LITERAL and _LITERAL.fullmatch(value):
        value = _parse_literal(value)
    if isinstance(value, list) and value and all(map(_is_pair, value)):
        return dict(value)
    return value


def _parse_literal(text: str) -> Any:
    for parse in (json.loads, ast.literal_eval):
        try:
            return parse(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
    return text


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str)


def item_texts(value: Any) -> tuple[str, ...]:
    """Return the different texts of a cell: the items of a list, or of a text with commas.

    The items of an object are `name: value`.
    """
    return tuple(dict.fromkeys(text for text in _iter_texts(parsed_cell(value)) if text))


def _iter_texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, item in value.items():
            if isinstance(item, Mapping):
                yield from _iter_texts(item)
            else:
                text = text_cell(item)
                yield f"{text_cell(name)}: {text}" if text else ""
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _iter_texts(item)
    else:
        for part in _LIST_SIGNS.split(text_cell(value)):
            yield " ".join(part.split())


def image_cell(value: Any) -> bytes:
    """Return the file of an image: base64, a `data:` address, the bytes, or an object with `bytes`.

    Raises InputError for anything else, and for bytes that do not begin as an image.
    """
    if isinstance(value, Mapping) and "bytes" in value:
        value = value["bytes"]
    if isinstance(value, bytes) and image_suffix(value):
        return value
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or not text.strip():
        raise InputError(f'expected an "image" in base64, found {short_repr(value)}')
    if len(text) > MAX_BASE64:
        raise InputError(
            f'the "image" has {len(text):,} characters, above the limit of {MAX_BASE64:,}'
        )
    if text[:5].lower() == "data:":
        text = text.partition(",")[2]
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        raise InputError(
            f'the "image" is not valid base64 ({error}): get a complete copy'
        ) from None
    if not image_suffix(data):
        raise InputError(f'the "image" is no PNG or JPEG: it begins with {short_repr(data[:8])}')
    return data


def first_cell(fields: Mapping[str, Any], names: Sequence[str]) -> Any:
    """Return the first of these cells that is not empty, None if all are."""
    return next((fields[name] for name in names if text_cell(fields.get(name))), None)
