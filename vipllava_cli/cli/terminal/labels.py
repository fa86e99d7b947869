"""Print the answers of a file by label: accuracies, and which label is taken for what."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vipllava_cli.cli.terminal.messages import one_line
from vipllava_cli.flows.evals.confusions import Confusion, LabelCounts, LabelTable
from vipllava_cli.flows.evals.metrics import ACCURACY, COUNT
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.record_file import Json

MAX_LABELS = 40  # printed, unless all are asked for
MAX_CONFUSIONS = 20
# Characters of a label or an answer in the two tables.
_SHORT, _LONG = 24, 60


def print_labels(console: Console, table: LabelTable, *, is_complete: bool) -> None:
    """Print a table of the labels if some have several rows, and one of the wrong answers.

    Unless it is complete, the first of many labels are those with the most wrong answers.
    """
    if table.is_informative:
        shown = table.labels if is_complete else _main_labels(table)
        console.print()
        console.print(_label_table(table, shown))
        if len(shown) < len(table.labels):
            console.print(Text(_describe_rest(table, shown)), soft_wrap=True)
    if table.confusions:
        pairs = table.confusions if is_complete else table.confusions[:MAX_CONFUSIONS]
        console.print()
        console.print(_confusion_table(pairs))
        if len(pairs) < len(table.confusions):
            more = f"and {len(table.confusions) - len(pairs)} more: see all with -v or --json"
            console.print(Text(more), soft_wrap=True)


def labels_to_json(table: LabelTable) -> Json:
    """Format all labels and wrong answers."""
    return {
        "labels": [
            {
                "label": label.label,
                "right": round(label.accuracy, 4),
                "of": label.count,
                "failed": label.wrong[None],
            }
            for label in table.labels
        ],
        "confusions": [
            {"label": each.label, "answer": each.answer, "count": each.count}
            for each in table.confusions
        ],
    }


def number_table(titles: Sequence[str]) -> Table:
    """Make a table with a column of numbers for each title."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for title in titles:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _label_table(table: LabelTable, labels: Sequence[LabelCounts]) -> Table:
    printed = Table(box=None, padding=(0, 2, 0, 0))
    printed.add_column("label", overflow="fold")
    for title in (ACCURACY, COUNT, "right"):
        printed.add_column(title, justify="right", no_wrap=True)
    printed.add_column("most frequent wrong answer", overflow="fold")
    for label in labels:
        main = table.main_confusion(label)
        wrong = "" if main is None else f"{_cut(main.answer, _SHORT)}{_times(main.count)}"
        figures = (f"{label.accuracy:.1%}", str(label.count), str(label.right))
        printed.add_row(Text(_cut(label.label, _SHORT)), *figures, Text(wrong))
    return printed


def _main_labels(table: LabelTable) -> Sequence[LabelCounts]:
    """Return all of a few labels; of many, those with the most wrong answers, in natural order."""
    if len(table.labels) <= MAX_LABELS:
        return table.labels
    wrong = [label for label in table.labels if label.wrong]
    worst = sorted(wrong, key=lambda label: -label.wrong.total())[:MAX_LABELS]
    return [label for label in wrong if label in worst]


def _describe_rest(table: LabelTable, shown: Sequence[LabelCounts]) -> str:
    rest = count_noun(len(table.labels) - len(shown), "more label")
    wrong = _count_wrong(table.labels) - _count_wrong(shown)
    content = f" with {count_noun(wrong, 'wrong answer')}" if wrong else " without a wrong answer"
    return f"{rest}{content}: see all with -v or --json"


def _count_wrong(labels: Sequence[LabelCounts]) -> int:
    return sum(label.wrong.total() for label in labels)


def _confusion_table(confusions: Sequence[Confusion]) -> Table:
    printed = number_table([COUNT])
    printed.add_column("label", overflow="fold")
    printed.add_column("wrong answer", overflow="fold")
    for each in confusions:
        printed.add_row(
            str(each.count), Text(_cut(each.label, _LONG)), Text(_cut(each.answer, _LONG))
        )
    return printed


def _times(count: int) -> str:
    return f" ({count})" if count > 1 else ""


def _cut(text: str | None, max_length: int) -> str:
    """Shorten a label or an answer for a table."""
    if text is None:
        return "(failed)"
    line = one_line(text) or "(an empty answer)"
    return line if len(line) <= max_length else f"{line[: max_length - 1]}\u2026"
