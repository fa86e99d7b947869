"""The data model of a benchmark: samples with cases -> rows of a batch -> results."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.sample_images import save_encoded_image, save_sample_image
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.rows import BadRow, Row

MAX_DATA_BYTES = 2 << 30  # of a file of questions or answers

# Group kind -> the group or groups of a case: {"kind": "naming", "shape": "box"}.
Groups = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Case:
    """A question, its correct answer (the `target`), and the groups in which it counts.

    `options` are the texts behind the letters of a multiple choice. With `by_text`, the model
    scores these texts, and the target is one of them instead of a letter. `choices` are the letters
    that the model scores, if they are not those of the run. `judge_question` is the question in the
    form for a judge, None if they are the same.
    """

    question: str
    target: str
    groups: Groups
    options: tuple[str, ...] = ()
    by_text: bool = False
    choices: tuple[str, ...] = ()
    judge_question: str | None = None


@dataclass(frozen=True)
class Sample:
    """An image, its path or the bytes of its file, with the marks on it and the cases about it.

    `error` is set if the benchmark's own data make the questions impossible. Such a sample counts
    as failed. `extra` holds fields of the data for the record.
    """

    id: str
    image: Image.Image | str | bytes
    cases: tuple[Case, ...]
    marks: tuple[MarkSpec, ...] = ()
    error: InputError | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The answer to a case; None if the case failed.

    `id` is the id of the sample, `record_id` that of the record with the answer. Stored predictions
    have no record.
    """

    id: str
    case: Case
    answer: str | None
    record_id: str = ""

    @property
    def unique_id(self) -> str:
        """The id of the record; a sample of several cases has several results."""
        return self.record_id or self.id


@dataclass
class SampleBatch:
    """The samples of a run as rows of a batch. It keeps their cases by sample id, not the images.

    `overwrite` replaces images of another run in the folder.
    """

    folder: Path
    overwrite: bool = False
    cases: dict[str, tuple[Case, ...]] = field(default_factory=dict)

    def rows(self, samples: Iterable[Sample]) -> Iterator[Row | BadRow]:
        """Yield a row for each sample. Save an image that has no path in the folder.

        Raises AnotherRunError if the folder has another image there, and not `overwrite`.
        """
        for sample in samples:
            id = self._unique_id(sample.id)
            self.cases[id] = sample.cases
            path = self._image_path(sample.image, id)
            if sample.error:
                yield BadRow(id, path, sample.error)
                continue
            questions = tuple(case.question for case in sample.cases)
            targets = [case.target for case in sample.cases]
            extra = {"wanted": targets if len(targets) > 1 else targets[0], **sample.extra}
            (choices,) = {case.options if case.by_text else case.choices for case in sample.cases}
            yield Row(id, path, sample.marks, questions, extra, choices)

    def results(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Result]:
        """Yield a result for each record that belongs to a sample."""
        for record in records:
            id, _, number = record["id"].rpartition(":q")
            if len(self.cases.get(id, ())) < 2 or not number.isdecimal():
                id, number = record["id"], ""
            cases = self.cases.get(id, ())
            if cases:
                yield Result(id, cases[int(number or 1) - 1], record["answer"], record["id"])

    def _unique_id(self, id: str) -> str:
        """Append a number to an id that another sample has: the second `a` is `a~2`."""
        number, unique = 1, id
        while unique in self.cases:
            number += 1
            unique = f"{id}~{number}"
        return unique

    def _image_path(self, image: Image.Image | str | bytes, id: str) -> str:
        if isinstance(image, str):
            return image
        if isinstance(image, bytes):
            return str(save_encoded_image(image, self.folder, id, overwrite=self.overwrite))
        path = self.folder / f"{id}.png"
        save_sample_image(image, path, overwrite=self.overwrite)
        return str(path)
