"""Images in `data:` addresses, like `data:image/png;base64,iVBOR…`."""

import base64
import hashlib
import re
from urllib.parse import unquote_to_bytes

from vipllava_cli.errors import InputError

_ADDRESS = re.compile(r"data:(?P<type>[^,]{0,200}),", re.IGNORECASE)
MAX_BASE64 = 86 << 20  # characters, of about 64 MiB
MAX_ESCAPED = 4 << 20  # characters without base64, each of which can take 100 bytes of memory
_MAX_SHOWN = 40  # characters in a message
_HASH_DIGITS = 8
_IN_TEXT = re.compile(r"data:[^,\s]{0,100},[\w+/=%-]{60,}", re.IGNORECASE)
_SHORTENED = re.compile(
    r"data:.{1,40}… \([\d,]+ characters, sha256 [0-9a-f]{8}\)", re.DOTALL | re.I
)


def is_data_address(name: str) -> bool:
    """Return whether the name of an image is a `data:` address."""
    return name[:5].lower() == "data:"


def read_data_address(address: str) -> bytes:
    """Return the bytes in an address. Raises InputError."""
    if is_shortened(address):
        raise InputError(
            f"{address} is a shortened address, which does not hold the image: give the image again"
        )
    head = _ADDRESS.match(address)
    if head is None:
        raise InputError(
            f"{shorten_data_address(address)} is not a valid address: expected"
            " data:image/png;base64,…"
        )
    is_base64 = head["type"].lower().rstrip().endswith(";base64")
    if len(address) > (MAX_BASE64 if is_base64 else MAX_ESCAPED):
        advice = "give a file" if is_base64 else "encode it as base64, or give a file"
        raise InputError(f"{shorten_data_address(address)} is too long for an image: {advice}")
    content = address[head.end() :]
    if not is_base64:
        return unquote_to_bytes(content)
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except ValueError as error:
        raise InputError(
            f"{shorten_data_address(address)} is not valid base64 ({error}): get a complete copy"
        ) from None


def shorten_data_address(name: str) -> str:
    """Cut a `data:` address for messages and records. Other names stay as they are.

    The result has the length and a hash of the address, so that it differs from that of another image.
    A shortened address stays as it is.
    """
    if not is_data_address(name) or len(name) <= _MAX_SHOWN or is_shortened(name):
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]
    return f"{name[:_MAX_SHOWN]}… ({len(name):,} characters, sha256 {digest})"


def shorten_in_text(text: str) -> str:
    """Cut the long `data:` addresses in a text."""
    return _IN_TEXT.sub(lambda found: shorten_data_address(found[0]), text)


def is_shortened(name: str) -> bool:
    """Return whether a name is a `data:` address that `shorten_data_address` cut."""
    return _SHORTENED.fullmatch(name) is not None
