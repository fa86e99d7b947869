"""The answers that a judge grades, and the file of its grades.

The file is a journal like that of a batch. Each grade is on disk before it counts. Its key comes from
the judge, the question, the target and the answer: if one of them changes, the row is graded again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vipllava_cli.storage.journal import Journal, open_journal
from vipllava_cli.storage.records import SCHEMA, stable_key

NO_ANSWER = "there is no answer to grade"


@dataclass(frozen=True)
class GradingRow:
    """An answer to grade, None if the case failed.

    `target` joins parts that are all needed with `<AND>`, and alternatives with `<OR>`.
    """

    id: str
    question: str
    target: str
    answer: str | None


@dataclass(frozen=True)
class Grade:
    """The grade of a row: a score from 0 to 1, None if the judge could not grade it.

    `raw` is the judge's last reply and `tries` the number of requests. The tokens are those of all
    tries, as far as the judge's server counts them. `error` says why there is no grade. A row without
    an answer scores 0, and has an error too.
    """

    id: str
    score: float | None
    raw: str = ""
    tries: int = 0
    error: str | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0


_GRADE_FIELDS = ("score", "raw", "tries", "error", "prompt_tokens", "answer_tokens")


@dataclass(frozen=True)
class GradeFile:
    """The grades of one judge in an open journal, which may hold those of other judges."""

    journal: Journal
    judge: str

    def key(self, row: GradingRow) -> str:
        """Return the key of a row. Rows that look the same to the judge have the same key."""
        return stable_key(
            judge=self.judge, question=row.question, wanted=row.target, answer=row.answer
        )

    def find(self, row: GradingRow) -> Grade | None:
        """Return the grade of a row in the file, or None. A failed grade does not count."""
        line = self.journal.find_answer(self.key(row))
        if line is None or not _is_grade(line):
            return None
        grade = Grade(line["id"], **{name: line[name] for name in _GRADE_FIELDS})
        return grade if grade.id == row.id else share_grade(grade, row)

    def add(self, row: GradingRow, grade: Grade) -> None:
        """Write a grade to the disk. Raises InputError."""
        line: dict[str, Any] = {"schema": SCHEMA, "id": row.id, "key": self.key(row)}
        line |= {"judge": self.judge}
        line |= {"question": row.question, "wanted": row.target, "answer": row.answer}
        line |= {name: getattr(grade, name) for name in _GRADE_FIELDS}
        self.journal.append([line])


def _is_grade(line: Mapping[str, Any]) -> bool:
    """Return whether a line of the file has all fields of a grade, as this program writes them."""
    counts = ("tries", "prompt_tokens", "answer_tokens")
    return (
        isinstance(line.get("score"), int | float)
        and isinstance(line.get("raw"), str)
        and all(isinstance(line.get(name), int) for name in counts)
    )


def open_grades(path: Path, judge: str) -> GradeFile:
    """Open and lock a file of grades.

    Raises InputError if it cannot be written, holds something else, or another run writes it.
    """
    return GradeFile(open_journal(path), judge)


def share_grade(grade: Grade, row: GradingRow) -> Grade:
    """Give a row the grade of another row with the same key, at no cost."""
    return replace(grade, id=row.id, tries=0, prompt_tokens=0, answer_tokens=0)


def group_by_key(rows: Iterable[GradingRow], file: GradeFile) -> Mapping[str, list[GradingRow]]:
    """Group rows by key, so that the judge grades rows that look the same only once."""
    groups: dict[str, list[GradingRow]] = {}
    for row in rows:
        groups.setdefault(file.key(row), []).append(row)
    return groups
