"""The address of the hub: the public one, or that of HF_ENDPOINT."""

import os
import re
from urllib.parse import urlsplit

import httpx2
from huggingface_hub import constants

from vipllava_cli.errors import ModelError, short_repr
from vipllava_cli.storage.web import hide_password

VARIABLE = "HF_ENDPOINT"
_EXPECTED = "expected an address like https://huggingface.co, or unset it"


def check_endpoint() -> None:
    """Check HF_ENDPOINT. Raises ModelError for anything but an http(s) address."""
    given = os.environ.get(VARIABLE)
    if given is None:
        return
    if not given.strip():
        raise ModelError(f"{VARIABLE} is empty: {_EXPECTED}")
    try:
        parts = urlsplit(given)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_address = is_address and not (parts.query or parts.fragment or re.search(r"\s", given))
        _ = parts.port, httpx2.URL(given)
    except (ValueError, httpx2.InvalidURL):
        is_address = False
    if not is_address:
        raise ModelError(f"{VARIABLE} is {short_repr(hide_password(given))}: {_EXPECTED}")


def hub_address() -> str:
    """Return the address of the hub for messages, with the variable that sets it."""
    address = hide_password(constants.ENDPOINT)
    return f"{address} ({VARIABLE})" if os.environ.get(VARIABLE) else address


def the_hub() -> str:
    """Return `the hub`, with its address if HF_ENDPOINT sets one."""
    return f"the hub at {hub_address()}" if os.environ.get(VARIABLE) else "the hub"
