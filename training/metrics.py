"""Metrics of a training step or a validation: right and asked counts by name."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class MetricCounts:
    """How many predictions of each name were `asked` for and how many were `right`."""

    right: Counter[str] = field(default_factory=Counter)
    asked: Counter[str] = field(default_factory=Counter)

    def add(self, name: str, *, right: int, asked: int) -> None:
        self.right[name] += right
        self.asked[name] += asked

    def clear(self) -> None:
        self.right.clear()
        self.asked.clear()

    def accuracies(self) -> dict[str, float]:
        """Return right / asked, 0-1, for each name that was asked for."""
        return {name: self.right[name] / asked for name, asked in self.asked.items() if asked}


def format_accuracies(accuracies: Mapping[str, float]) -> str:
    """Format as `naming 98.5%, count 95.2%`."""
    return ", ".join(f"{name} {accuracy:.1%}" for name, accuracy in accuracies.items())
