"""Counts as messages show them."""


def count_noun(number: int, noun: str) -> str:
    """Format a count with its noun: `1 file`, `3 files`. The plural takes an `s`."""
    return f"1 {noun}" if number == 1 else f"{number} {noun}s"
