"""What a benchmark is made of, and what comes of it: examples -> rows of a batch -> results."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.rows import BadRow, Row

Groups = Mapping[str, str | tuple[str, ...]]


@dataclass(frozen=True)
class Case:
    """A question, the answer that is right, and the groups in which it is counted, by what they are
    groups of: `{"kind": "naming", "shape": "box"}`; several of one sort stand in a tuple. `options`
    are the texts behind the letters of a multiple choice; where they are `scored`, one of them is
    the answer, and no letter.
    """

    question: str
    wanted: str
    groups: Groups
    options: tuple[str, ...] = ()
    scored: bool = False


@dataclass(frozen=True)
class Sample:
    """An image, or its path, and what is asked about it; `error` where the benchmark's own data make
    that impossible: it counts as failed, and nothing takes its place.
    """

    id: str
    image: Image.Image | str
    cases: tuple[Case, ...]
    marks: tuple[MarkSpec, ...] = ()
    error: InputError | None = None


@dataclass(frozen=True)
class Result:
    """An example, the id of its page, and the answer; None where it failed."""

    id: str
    case: Case
    answer: str | None


@dataclass
class SampleBatch:
    """The pages handed to a batch so far, without their images."""

    folder: Path
    samples: dict[str, tuple[Case, ...]] = field(default_factory=dict)

    def rows(self, samples: Iterable[Sample]) -> Iterator[Row | BadRow]:
        """A row for each page; an image without a path is written into the folder when it is wanted."""
        for page in samples:
            id = self._own(page.id)
            self.samples[id] = page.cases
            path = self._path(page.image, id)
            if page.error:
                yield BadRow(id, path, page.error)
                continue
            questions = tuple(case.question for case in page.cases)
            wanted = [case.wanted for case in page.cases]
            truth = {"wanted": wanted if len(wanted) > 1 else wanted[0]}
            (choices,) = {case.options if case.scored else () for case in page.cases}
            yield Row(id, path, page.marks, questions, truth, choices)

    def results(self, records: Iterable[Mapping[str, Any]]) -> Iterator[Result]:
        """A result for every record of the pages."""
        for record in records:
            page, _, number = record["id"].rpartition(":q")
            if page not in self.samples or not number.isdecimal():
                page, number = record["id"], ""
            cases = self.samples.get(page, ())
            if cases:
                yield Result(page, cases[int(number or 1) - 1], record["answer"])

    def _own(self, id: str) -> str:
        """The id, or where another page has it, the id with a number."""
        number, own = 1, id
        while own in self.samples:
            number += 1
            own = f"{id}~{number}"
        return own

    def _path(self, image: Image.Image | str, id: str) -> str:
        if isinstance(image, str):
            return image
        path = self.folder / f"{id}.png"
        if not path.exists():
            image.save(path, compress_level=1)
        return str(path)
