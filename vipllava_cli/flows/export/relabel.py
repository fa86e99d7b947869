"""Answers to `--choices` -> the labels of regions."""

from collections.abc import Iterator
from dataclasses import replace

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.flows.export.attributes import LABEL_FROM_ANSWER
from vipllava_cli.flows.export.dataset import Answer, Dataset, ExportImage
from vipllava_cli.flows.export.read_records import AnsweredRow
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows
from vipllava_cli.storage.counts import count_noun


def wants_labels(rows: list[AnsweredRow]) -> bool:
    """Return whether the records are of `batch --label-from-answer`."""
    return any(row.extra.get(LABEL_FROM_ANSWER) is True for row in rows)


def with_label_from_answer(source: Source) -> Source:
    """Return a source whose rows say so in their `extra`, which records hold."""
    added = {LABEL_FROM_ANSWER: True}

    def iter_rows() -> Iterator[Row | BadRow]:
        for row in source.rows:
            yield replace(row, extra={**row.extra, **added}) if isinstance(row, Row) else row

    return replace(source, rows=StoredRows(iter_rows) if source.is_rereadable else iter_rows())


def label_from_answers(dataset: Dataset) -> None:
    """Make the answer about each region its label. Adds notes about regions that keep theirs.

    Raises UsageError without answers to choices, and InputError for several sets of choices.
    """
    _check_choices(dataset)
    classes = {label.casefold(): label for label in dataset.labels()}
    kept: dict[str, int] = {}
    relabelled = changed = 0
    for image, position in _regions(dataset):
        region = image.regions[position]
        answers = image.answers_of(position)
        texts = {answer.text for answer in answers if answer.choices and answer.text}
        if len(texts) == 1:
            label = classes.setdefault((text := texts.pop()).casefold(), text)
            relabelled += 1
            changed += label != region.label
            region.is_relabelled = label != region.label
            region.label = label
        else:
            reason = _reason(answers, len(texts))
            kept[reason] = kept.get(reason, 0) + 1
    dataset.notes.append(
        f"labels from answers: {count_noun(relabelled, 'region')}, {changed} of them changed"
    )
    for reason, count in kept.items():
        dataset.notes.append(f"{count_noun(count, 'region')} {reason}: the old label stays")


def _regions(dataset: Dataset) -> Iterator[tuple[ExportImage, int]]:
    for image in dataset.images:
        for position in range(len(image.regions)):
            yield image, position


def _reason(answers: list[Answer], choices: int) -> str:
    if choices > 1:
        return "with different answers"
    if any(answer.text is not None for answer in answers):
        return "with an answer without choices"
    return "with an error instead of an answer" if answers else "without an answer of its own"


def _check_choices(dataset: Dataset) -> None:
    sets: set[frozenset[str]] = set()
    for image in dataset.images:
        for position in range(len(image.regions)):
            of_region = {frozenset(a.choices) for a in image.answers_of(position) if a.choices}
            sets |= of_region
            if len(of_region) > 1:
                raise InputError(
                    "the records answer several questions with different choices about one region, and"
                    " any of them could be the label: ask the question for the labels into a file of"
                    " its own"
                )
    if not sets:
        raise UsageError(
            "--label-from-answer needs answers to --choices, so that each is one of your labels: run"
            " batch with --choices A,B,… first"
        )
