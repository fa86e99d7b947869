"""Compare files of records: how many answers are right, which changed, and the p-value.

Rows with the same id belong together. Only rows that every file has are compared. A failed row has no
answer and counts as wrong.

An answer is right if its stored score is 1, where every row has a score by a common scorer, apart from
rows that a judge could not grade. Otherwise an `AnswerRule` compares the answer with the truth in the
record.
"""

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from vipllava_cli.engine.prompts.templates import PHRASE_LINE
from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.evals.answer_rule import AnswerRule
from vipllava_cli.flows.evals.compared_fields import FIELD_COLUMN
from vipllava_cli.flows.evals.metrics import ScoreCounts
from vipllava_cli.flows.evals.result_files import TRUTH_COLUMNS, ResultFile, read_files


@dataclass(frozen=True)
class Change:
    """The ids of rows that differ between the first file and another, in the answer or in its score.

    `regressions` were right and are wrong now, `fixes` the reverse. `p_value` is that of McNemar's
    test, None if right answers are unknown.
    """

    file: ResultFile
    changed: Sequence[str]
    regressions: Sequence[str]
    fixes: Sequence[str]
    p_value: float | None

    def kinds(self) -> list[tuple[str, Sequence[str]]]:
        """Split the changed rows into regressions, fixes and others; one kind without a p-value."""
        if self.p_value is None:
            return [("changed", self.changed)]
        flipped = {*self.regressions, *self.fixes}
        others = [id for id in self.changed if id not in flipped]
        return [
            ("right to wrong", self.regressions),
            ("wrong to right", self.fixes),
            ("otherwise", others),
        ]


@dataclass(frozen=True)
class Comparison:
    """Files, the ids that all of them have, and their right answers.

    `ids` have the order of the first file. `scorer` is the common scorer of the stored scores, None
    if the truths decide by `rule`. `column` holds the truths, None if no row has one; `truths` are by id.
    """

    files: Sequence[ResultFile]
    ids: Sequence[str]
    column: str | None
    truths: Mapping[str, str]
    scorer: str | None
    rule: AnswerRule

    @property
    def first(self) -> ResultFile:
        return self.files[0]

    @property
    def is_scored(self) -> bool:
        """Whether scores or truths tell right answers from wrong ones."""
        return self.scorer is not None or self.column is not None

    @cached_property
    def scored_ids(self) -> Collection[str]:
        """The ids of the rows that are right or wrong."""
        return self.truths.keys() if self.scorer is None else _graded_ids(self.files, self.ids)

    def is_correct(self, file: ResultFile, id: str) -> bool:
        """Return whether the answer of a scored row is right."""
        if self.scorer is not None:
            return self.score(file, id) == 1
        return self.rule.is_correct(file.answer(id), self.truths[id])

    def score(self, file: ResultFile, id: str) -> float:
        """Return the stored score of a row, 0 if it failed."""
        assert self.scorer is not None  # noqa: S101 - the caller compares scores only with a scorer
        return 0.0 if file.answer(id) is None else file.rows[id].scores[self.scorer]

    def mean_score(self, file: ResultFile) -> float:
        """Return the mean of the stored scores."""
        return sum(self.score(file, id) for id in self.scored_ids) / len(self.scored_ids)

    @property
    def has_partial_scores(self) -> bool:
        """Whether an answer has a stored score between 0 and 1."""
        if self.scorer is None:
            return False
        scores = (self.score(file, id) for file in self.files for id in self.scored_ids)
        return any(score not in (0, 1) for score in scores)

    def failed(self, file: ResultFile) -> int:
        """Count the rows without an answer."""
        return sum(file.answer(id) is None for id in self.ids)

    def right_counts(self, file: ResultFile) -> ScoreCounts:
        """Count the right (1) and wrong (0) answers among the scored rows."""
        scores = ScoreCounts()
        for id in self.scored_ids:
            scores.add(float(self.is_correct(file, id)), failed=file.answer(id) is None)
        return scores

    def right_share(self, file: ResultFile) -> tuple[float, float, float]:
        """Return the share of right answers, and the bounds of its 95 % interval."""
        scores = self.right_counts(file)
        return scores.mean(), *scores.interval()

    @cached_property
    def changes(self) -> Sequence[Change]:
        """The changes of every further file against the first."""
        return [self._change(file) for file in self.files[1:]]

    @cached_property
    def wrong_ids(self) -> Sequence[str]:
        """The rows that are wrong in the first file."""
        return [id for id in self.scored_ids if not self.is_correct(self.first, id)]

    def named_kinds(self) -> list[tuple[str, Sequence[str]]]:
        """Return the kinds of all changes that have rows, with the file's name if there are several.

        Returns an empty list if all changed rows are of one kind. The kinds of one file are its wrong
        answers and its failed rows.
        """
        if not self.changes:
            answers = {id: self.first.answer(id) for id in self.wrong_ids}
            wrong = [id for id, answer in answers.items() if answer is not None]
            failed = [id for id, answer in answers.items() if answer is None]
            return [(name, ids) for name, ids in (("Wrong", wrong), ("Failed", failed)) if ids]
        several = len(self.changes) > 1
        if not self.is_scored and not several:
            return []
        return [
            (f"{change.file.name}: {kind}" if several else kind.capitalize(), ids)
            for change in self.changes
            for kind, ids in change.kinds()
            if ids
        ]

    def notes(self) -> Iterator[str]:
        """Yield a line for each limit of the comparison, and one about the scorer."""
        for file in self.files:
            if file.skipped_note:
                yield file.skipped_note
            alone = len(file.rows) - len(self.ids)
            if alone:
                yield f"{alone} of the {len(file.rows)} rows of {file.name} are not in all files"
        restyled = {
            id for id in self.ids if len({file.rows[id].mark_style for file in self.files}) > 1
        }
        if restyled:
            styles = sorted({file.rows[id].mark_style for file in self.files for id in restyled})
            yield (
                f"{len(restyled)} of {len(self.ids)} rows refer to their marks in another style in"
                f" another file: {', '.join(styles)}"
            )
        different = sum(
            len({file.rows[id].question_hash for file in self.files}) > 1
            for id in self.ids
            if id not in restyled  # their questions differ by the style
        )
        if different:
            yield f"{different} of {len(self.ids)} rows have different questions or marks in another file"
        if self.scorer is not None:
            yield f'an answer is right if its stored score by "{self.scorer}" is 1'
            ungraded = len(self.ids) - len(self.scored_ids)
            if ungraded:
                yield (
                    f"{ungraded} of {len(self.ids)} rows have an answer without a grade: they are neither"
                    " right nor wrong"
                )
        elif self.column is None:
            yield (
                "no row has a truth to compare with: name its column with --truth COLUMN"
                f" ({_list_columns(self.files)})"
            )
        else:
            yield from self._truth_notes(self.column)

    def _truth_notes(self, column: str) -> Iterator[str]:
        """Yield what makes an answer right, and limits of that."""
        named = column if column == FIELD_COLUMN else f'"{column}"'
        ignored = ", ".join(self.rule.ignored)
        if ignored:
            yield f"an answer is right if it equals {named}, apart from {ignored} (--strict: exactly)"
        else:
            yield f"an answer is right if it is exactly {named}"
        without = len(self.ids) - len(self.truths)
        if without:
            yield f"{without} of {len(self.ids)} rows have no truth: they are neither right nor wrong"
        for file in () if self.rule.is_strict else self.files:
            answers = {id: file.answer(id) for id in self.truths if not self.is_correct(file, id)}
            longer = [
                answer
                for id, answer in answers.items()
                if answer is not None and self.rule.contains(answer, self.truths[id])
            ]
            if longer:
                yield (
                    f"{file.name}: {len(longer)} of {len(answers)} wrong answers have the right words"
                    f" among others, like {short_repr(longer[0])}; to get short answers, end the"
                    f' question with "{PHRASE_LINE}"'
                )

    def _change(self, file: ResultFile) -> Change:
        before, after = self.first, file
        # Two judges may give one answer different scores.
        flipped = {
            id: self.is_correct(after, id)
            for id in self.scored_ids
            if self.is_correct(before, id) != self.is_correct(after, id)
        }
        changed = [id for id in self.ids if id in flipped or before.answer(id) != after.answer(id)]
        regressions = [id for id, is_right in flipped.items() if not is_right]
        fixes = [id for id, is_right in flipped.items() if is_right]
        p_value = mcnemar_p_value(len(regressions), len(fixes)) if self.is_scored else None
        return Change(file, changed, regressions, fixes, p_value)


def compare(
    results: Sequence[Path], column: str | None = None, rule: AnswerRule | None = None
) -> Comparison:
    """Compare files of records, or one file with its truths.

    A `column` for the truth takes precedence over stored scores. Raises UsageError for the same file
    twice, for one file without truths or scores, and for a `rule` that applies to nothing. Raises
    InputError for a file that holds no records or an id twice, for files without a common row, and for
    a truth that is missing or differs between files.
    """
    files = read_files(results, column)
    first, *others = files
    ids = [id for id in first.rows if all(id in file.rows for file in others)]
    if not ids:
        example = next(iter(first.rows))
        other = next(file for file in others if example not in file.rows)
        raise InputError(
            f"no row is in all files: {first.name} has ids like {short_repr(example)}, {other.name}"
            f" like {short_repr(next(iter(other.rows)))}; compare answers to the same source"
        )
    truth_column = column or _find_truth_column(files, ids)
    rule = rule or AnswerRule()
    truths = dict(_iter_truths(files, ids, truth_column, rule)) if truth_column else {}
    if column and not truths:
        raise InputError(_no_truth(files, column))
    comparison = Comparison(
        files,
        ids,
        truth_column,
        truths,
        scorer=None if column else _find_common_scorer(files, ids),
        rule=rule,
    )
    _check_truths(comparison)
    return comparison


def _check_truths(comparison: Comparison) -> None:
    """Check that one file has right answers, and that a rule of the user applies. Raises UsageError."""
    listed = _list_columns(comparison.files)
    if not comparison.is_scored and len(comparison.files) == 1:
        raise UsageError(
            "nothing to compare with: give a second file, or the column with the right answers as"
            f" --truth COLUMN ({listed})"
        )
    if not comparison.rule.is_default and (comparison.scorer or comparison.column is None):
        raise UsageError(
            "--strict and --synonyms apply to answers that are compared with a column: add --truth"
            f" COLUMN ({listed})"
        )


def _no_truth(files: Sequence[ResultFile], column: str) -> str:
    """Say why no row has a truth in a column."""
    first, *others = files
    where = "that is in all files" if others else f"of {first.name}"
    columns = [name for file in files for name in file.columns]
    message = f"no row {where} has a column {short_repr(column)} with a truth"
    if column not in columns:
        near = difflib.get_close_matches(column, columns, 1)
        hint = f"; did you mean {short_repr(near[0])}?" if near else ""
        return f"{message}: {_list_columns(files)}{hint}"
    if any(row.is_one_of_fields for file in files for row in file.rows.values()):
        return (
            f"{message}: answers with several fields need an object there, like"
            ' {"material": "wood"}; without --truth, the column of its name is the truth of a field'
        )
    return f"{message}: its cells are empty there; {_list_columns(files)}"


def _list_columns(files: Sequence[ResultFile]) -> str:
    columns = dict.fromkeys(name for file in files for name in file.columns)
    its = "its" if len(files) == 1 else "their"
    return (
        f"{its} columns are {', '.join(map(short_repr, columns))}"
        if columns
        else "no columns found"
    )


def mcnemar_p_value(regressions: int, fixes: int) -> float:
    """Return the two-sided p-value of McNemar's exact test (1947)."""
    flipped = regressions + fixes
    ways = tail = 1  # sequences of coin flips with exactly, and with at most, `heads` heads
    for heads in range(min(regressions, fixes)):
        ways = ways * (flipped - heads) // (heads + 1)
        tail += ways
    return min(1.0, 2 * tail / (1 << flipped))


def _find_common_scorer(files: Sequence[ResultFile], ids: Sequence[str]) -> str | None:
    """Return the first scorer, in the order of the first file, that scored every row of all files.

    Rows that a judge could not grade do not count.
    """
    graded = list(_graded_ids(files, ids))
    return next(
        (
            name
            for name in (files[0].rows[graded[0]].scores if graded else ())
            if all(name in file.rows[id].scores for file in files for id in graded)
        ),
        None,
    )


def _graded_ids(files: Sequence[ResultFile], ids: Sequence[str]) -> Collection[str]:
    """Return the rows whose answers a judge could grade in all files, in order."""
    graded = (id for id in ids if not any(file.rows[id].is_ungraded for file in files))
    return dict.fromkeys(graded).keys()


def _find_truth_column(files: Sequence[ResultFile], ids: Sequence[str]) -> str | None:
    """Return the first of the usual columns that any row has."""
    columns = {name for file in files for id in ids for name in file.rows[id].truths}
    return next((name for name in TRUTH_COLUMNS if name in columns), None)


def _iter_truths(
    files: Sequence[ResultFile], ids: Sequence[str], column: str, rule: AnswerRule
) -> Iterator[tuple[str, str]]:
    """Yield each id with its truth. Raises InputError if two files disagree by the rule."""
    for id in ids:
        truths: dict[str, tuple[str, ResultFile]] = {}
        for file in files:
            truth = file.rows[id].truths.get(column)
            if truth is not None:
                truths.setdefault(rule.key(truth), (truth, file))
        if len(truths) > 1:
            (one, file), (another, other) = list(truths.values())[:2]
            raise InputError(
                f"the truth of the row {short_repr(id)} is {short_repr(one)} in {file.name} and"
                f" {short_repr(another)} in {other.name}: compare answers to the same source"
            )
        for truth, _ in truths.values():
            yield id, truth
