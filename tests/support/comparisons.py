"""Files of records to compare."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.report_pages import Row, failed, results, row


def record(
    number: int,
    answer: str | None,
    truth: object = "a cat",
    *,
    scores: Mapping[str, object] | None = None,
    **changes: Any,
) -> Row:
    """Make a record with a truth in the column `wanted`. Without an answer, it failed."""
    extra = {} if truth is None else {"wanted": truth}
    if scores is not None:
        extra["scores"] = dict(scores)
    if answer is None:
        return failed(number, extra=extra, **changes)
    return row(number, answer=answer, extra=extra, **changes)


def write_answers(folder: Path, name: str, answers: Sequence[str | None], **changes: Any) -> Path:
    """Write records with these answers. The truth is `a cat`."""
    rows = [record(number, answer, **changes) for number, answer in enumerate(answers)]
    return results(folder, rows, name)


def write_two_files(folder: Path) -> tuple[Path, Path]:
    """Write two files of ten rows: 5 right in both, 1 regression, 2 fixes, 1 wrong in both, 1 failed."""
    same = ["a cat", "A cat.", "a cat", " a  CAT", "a cat"]
    before = [*same, "a cat", "a dog", "a pig", "a hen", None]
    after = [*same, "a dog", "a cat", "a cat", "a cow", None]
    return write_answers(folder, "a.jsonl", before), write_answers(folder, "b.jsonl", after)
