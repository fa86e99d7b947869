"""Answers that a judge grades, and the file of its grades: each is on disk before it counts.

The file is a journal like that of a batch, without an order: a grade is known again by its judge, the
question, what was wanted and the answer. What changed is graded anew, what did not is never again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vipllava_cli.storage.journal import Journal, open_journal
from vipllava_cli.storage.records import SCHEMA, stable_key

AND, OR = "<AND>", "<OR>"  # all parts are wanted; any one of these suffices
NO_ANSWER = "there is no answer to grade"


@dataclass(frozen=True)
class GradingRow:
    """An answer, None where there is none, to a question of which it is known what is `wanted`: parts
    joined by `<AND>`, each with its `<OR>`.
    """

    id: str
    question: str
    wanted: str
    answer: str | None


@dataclass(frozen=True)
class Grade:
    """From 0 to 1, with what the judge wrote last, how often it was tried and the tokens of all tries,
    as far as the judge counts them. With an `error` the row could not be graded, and counts as 0.
    """

    id: str
    score: float
    raw: str = ""
    tries: int = 0
    error: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0


_KEPT = ("score", "raw", "tries", "error", "prompt_tokens", "answer_tokens")


@dataclass(frozen=True)
class GradeFile:
    """The grades of one judge in an open journal, which may hold those of others, too."""

    journal: Journal
    judge: str

    def key(self, row: GradingRow) -> str:
        """The same for rows that the judge cannot tell apart."""
        return stable_key(
            judge=self.judge, question=row.question, wanted=row.wanted, answer=row.answer
        )

    def kept(self, row: GradingRow) -> Grade | None:
        """The grade that the file holds for this row, if it does; one that failed is none."""
        found = self.journal.find_answer(self.key(row))
        if found is None:
            return None
        grade = Grade(found["id"], **{name: found[name] for name in _KEPT})
        return grade if grade.id == row.id else shared(grade, row)

    def add(self, row: GradingRow, grade: Grade) -> None:
        """Put it on disk. Raises InputError when it cannot be."""
        line: dict[str, Any] = {"schema": SCHEMA, "id": row.id, "key": self.key(row)}
        line |= {"judge": self.judge}
        line |= {"question": row.question, "wanted": row.wanted, "answer": row.answer}
        line |= {name: getattr(grade, name) for name in _KEPT}
        self.journal.append([line])


def open_grades(place: Path, judge: str) -> GradeFile:
    """Open and lock the file. Raises InputError when it cannot be written, holds something else, or
    another run writes it.
    """
    return GradeFile(open_journal(place), judge)


def shared(grade: Grade, row: GradingRow) -> Grade:
    """The grade of another row that reads the same: it has cost nothing more."""
    return replace(grade, id=row.id, tries=0, prompt_tokens=0, answer_tokens=0)


def alike(rows: Iterable[GradingRow], file: GradeFile) -> Mapping[str, list[GradingRow]]:
    """The rows by their keys: those that read the same are graded once."""
    groups: dict[str, list[GradingRow]] = {}
    for row in rows:
        groups.setdefault(file.key(row), []).append(row)
    return groups
