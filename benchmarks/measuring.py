"""Figures of a benchmark: timers, interleaved pairs, medians and quartiles. Imports no torch."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, quantiles


@dataclass(frozen=True)
class Measure:
    """One figure: the median of `samples` values, with their quartiles.

    `unit` is empty for a ratio. `goal` is what the figure has to reach, like `at least 4`.
    """

    what: str
    value: float
    unit: str = ""
    low: float | None = None
    high: float | None = None
    samples: int = 1
    goal: str = ""
    note: str = ""


class NotAvailable(Exception):  # noqa: N818 - no error: a package or a device is absent
    """Raised by a scenario that cannot run on this machine. Its text says what is missing."""


def summarize(
    what: str, values: Sequence[float], unit: str = "", goal: str = "", note: str = ""
) -> Measure:
    """Summarize samples to their median and quartiles."""
    low, high = min(values), max(values)
    if len(values) > 2:
        low, _, high = quantiles(values, n=4, method="inclusive")
    return Measure(what, median(values), unit, low, high, len(values), goal, note)


def summarize_ratio(
    what: str,
    above: Sequence[float],
    below: Sequence[float],
    goal: str = "",
    note: str = "",
) -> Measure:
    """Summarize the ratios of pairs of one round each."""
    return summarize(what, [a / b for a, b in zip(above, below, strict=True)], "", goal, note)


def seconds(work: Callable[[], object]) -> float:
    """Time one call, in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleave(
    works: Mapping[str, Callable[[], object]], rounds: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Time every work once a round, in turn. Returns the seconds of each by name.

    A warm-up round does not count. What slows the machine down meets all works alike.
    """
    times: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-int(warm_up), rounds):
        for name, work in works.items():
            taken = seconds(work)
            if number >= 0:
                times[name].append(taken)
    return times
