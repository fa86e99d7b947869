"""How long a server asks to wait."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

MAX_WAIT = 120.0  # seconds that a server may ask for; a longer wait ends the run

_SECONDS = re.compile(r"\+?\d{1,15}(?:\.\d{1,15})?", re.ASCII)
_MAX_LENGTH = 64  # characters of a date


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the wait of the header Retry-After, a number of seconds or a date; 0 without one."""
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    if len(text) <= _MAX_LENGTH and text.isascii():
        with suppress(ValueError, OverflowError):
            when = parsedate_to_datetime(text)
            when = when if when.tzinfo else when.replace(tzinfo=UTC)
            return max((when - datetime.now(UTC)).total_seconds(), 0.0)
    return 0.0


def wait_in_words(seconds: float) -> str:
    """Return a wait for a message."""
    return f"{seconds:.0f} s" if seconds < 1e9 else "for years"
