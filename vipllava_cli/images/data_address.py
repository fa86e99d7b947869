"""Images in `data:` addresses, like `data:image/png;base64,iVBOR…`."""

import base64
import re
from urllib.parse import unquote_to_bytes

from vipllava_cli.errors import InputError

_ADDRESS = re.compile(r"data:(?P<type>[^,]{0,200}),", re.IGNORECASE)
_MAX_SHOWN = 40  # characters in a message


def is_data_address(name: str) -> bool:
    """Return whether the name of an image is a `data:` address."""
    return name[:5].lower() == "data:"


def read_data_address(address: str) -> bytes:
    """Return the bytes in an address. Raises InputError."""
    head = _ADDRESS.match(address)
    if head is None:
        raise InputError(
            f"{shorten_data_address(address)} is not a valid address: expected"
            " data:image/png;base64,…"
        )
    content = address[head.end() :]
    if not head["type"].lower().rstrip().endswith(";base64"):
        return unquote_to_bytes(content)
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except ValueError as error:
        raise InputError(
            f"{shorten_data_address(address)} is not valid base64 ({error}): get a complete copy"
        ) from None


def shorten_data_address(name: str) -> str:
    """Cut a `data:` address for messages. Other names stay as they are."""
    if not is_data_address(name) or len(name) <= _MAX_SHOWN:
        return name
    return f"{name[:_MAX_SHOWN]}… ({len(name):,} characters)"
