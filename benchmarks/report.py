"""The results of a run as a Markdown table."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.machine import describe_in_words

HEADER = "| scenario | what | median | quartiles | goal |\n|---|---|---|---|---|"


def write_table(machine: dict[str, Any], events: Sequence[dict[str, Any]]) -> str:
    """Return the machine, the time of the run, a table of the figures, and what did not run."""
    rows = [HEADER, *map(_row, (each for each in events if each["event"] == "measure"))]
    missing = [f"- {line}" for line in _missing(events)]
    absent = ["", "Not measured:", "", *missing] if missing else []
    minutes = sum(each["seconds"] for each in events if each["event"] == "end") / 60
    first = f"Machine: {describe_in_words(machine)}. The scenarios took {number(minutes)} minutes."
    return "\n".join([first, "", *rows, *absent, ""])


def _row(event: dict[str, Any]) -> str:
    low, high = event["low"], event["high"]
    spread = "" if low is None or low == high else f"{number(low)} to {number(high)}"
    value = f"{number(event['value'])} {event['unit']}".strip()
    what = event["what"] + (f" ({event['note']})" if event["note"] else "")
    name = f"{event['scenario']}, {event['size']}"
    return f"| {name} | {what} | {value} | {spread} | {event['goal']} |"


def _missing(events: Iterable[dict[str, Any]]) -> Iterable[str]:
    for event in events:
        if event["event"] in {"error", "absent"}:
            reason = " ".join(event["reason"].split()).replace("|", "/")
            yield f"{event['scenario']}, {event['size']}: {reason}"


def number(value: float) -> str:
    """Format a figure with three significant digits, and without an exponent."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) >= 0.001 or value == 0 else f"{value:.1e}"
