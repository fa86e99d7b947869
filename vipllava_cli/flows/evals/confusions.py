"""Right and wrong answers by label, and which labels are taken for what."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from natsort import natsorted

from vipllava_cli.flows.evals.compare import Comparison
from vipllava_cli.flows.evals.result_files import ResultFile


@dataclass
class LabelCounts:
    """The answers to the rows with one label, a truth.

    `spellings` counts the equal forms of the label. `wrong` counts the wrong answers by their key; None
    is a failed row.
    """

    spellings: Counter[str] = field(default_factory=Counter)
    right: int = 0
    wrong: Counter[str | None] = field(default_factory=Counter)

    @property
    def label(self) -> str:
        """The most frequent spelling."""
        return _most_frequent(self.spellings)

    @property
    def count(self) -> int:
        return self.right + self.wrong.total()

    @property
    def accuracy(self) -> float:
        return self.right / self.count


@dataclass(frozen=True)
class Confusion:
    """A label and a wrong answer, None for failed rows, with the number of such rows."""

    label: str
    answer: str | None
    count: int


@dataclass(frozen=True)
class LabelTable:
    """The labels of a file in natural order, and its confusions, the most frequent first."""

    labels: Sequence[LabelCounts]
    confusions: Sequence[Confusion]

    @property
    def is_informative(self) -> bool:
        """Whether a label has several rows."""
        return any(label.count > 1 for label in self.labels)

    def main_confusion(self, label: LabelCounts) -> Confusion | None:
        """Return the most frequent wrong answer of a label."""
        return next((each for each in self.confusions if each.label == label.label), None)


def count_labels(comparison: Comparison, file: ResultFile) -> LabelTable:
    """Count the answers of a file by label. Equal forms of a label, or of an answer, are one."""
    labels: dict[str, LabelCounts] = {}
    spellings: dict[str, Counter[str]] = {}
    for id, truth in comparison.truths.items():
        if id not in comparison.scored_ids:
            continue
        counts = labels.setdefault(comparison.rule.key(truth), LabelCounts())
        counts.spellings[truth] += 1
        answer = file.answer(id)
        if comparison.is_correct(file, id):
            counts.right += 1
        elif answer is None:
            counts.wrong[None] += 1
        else:
            key = comparison.rule.key(answer)
            counts.wrong[key] += 1
            spellings.setdefault(key, Counter())[answer] += 1
    ordered = natsorted(labels.values(), key=lambda counts: counts.label.casefold())
    confusions = [
        Confusion(counts.label, None if key is None else _most_frequent(spellings[key]), count)
        for counts in ordered
        for key, count in counts.wrong.most_common()
    ]
    return LabelTable(ordered, sorted(confusions, key=lambda each: -each.count))


def _most_frequent(spellings: Counter[str]) -> str:
    return spellings.most_common(1)[0][0]
