"""Metrics of a training step or a validation: right and total counts by name."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class MetricCounts:
    """The number of predictions of each name: all in `total`, the correct ones in `right`."""

    right: Counter[str] = field(default_factory=Counter)
    total: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, *, right: int, total: int) -> None:
        self.right[name] += right
        self.total[name] += total

    def clear(self) -> None:
        self.right.clear()
        self.total.clear()

    def accuracies(self) -> dict[str, float]:
        """Return right / total, 0-1, for each name that has predictions."""
        return {name: self.right[name] / total for name, total in self.total.items() if total}


def format_accuracies(accuracies: Mapping[str, float]) -> str:
    """Format as `naming 98.5%, count 95.2%`."""
    return ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in accuracies.items())
