"""Counts and lists as messages show them."""

from collections.abc import Sequence


def count_noun(number: int, noun: str) -> str:
    """Format a count with its noun: `1 file`, `3 files`. The plural takes an `s`."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"


def list_some(names: Sequence[str], limit: int = 3) -> str:
    """List the first few names, and count the rest: `a, b, c and 2 more`."""
    rest = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {rest} more" if rest > 0 else "")
