"""What a benchmark is made of, and what comes of it: examples -> rows of a batch -> shares of right."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from vipllava_cli.rows import Row


@dataclass(frozen=True)
class Example:
    """A question, the answer that is right, and the groups in which it is counted, by what they are
    groups of: `{"kind": "naming", "shape": "box"}`.
    """

    question: str
    wanted: str
    groups: Mapping[str, str]


@dataclass(frozen=True)
class Page:
    """A picture and what is asked about it."""

    id: str
    picture: Image.Image
    examples: tuple[Example, ...]


@dataclass
class Share:
    """How much of `of` answers was right; one that failed counts, as wrong."""

    right: float = 0.0
    of: int = 0

    def add(self, right: float) -> None:
        self.right += right
        self.of += 1

    @property
    def share(self) -> float:
        return self.right / self.of if self.of else 0.0


Shares = dict[str, dict[str, Share]]


@dataclass
class Asked:
    """The pages handed to a batch so far, without their pictures."""

    folder: Path
    pages: dict[str, tuple[Example, ...]] = field(default_factory=dict)

    def rows(self, pages: Iterable[Page]) -> Iterator[Row]:
        """A row for each page, its picture written into the folder when it is wanted."""
        for page in pages:
            self.pages[page.id] = page.examples
            path = self.folder / f"{page.id}.png"
            if not path.exists():
                page.picture.save(path, compress_level=1)
            yield Row(page.id, str(path), questions=tuple(e.question for e in page.examples))

    def answered(
        self, records: Iterable[Mapping[str, Any]]
    ) -> Iterator[tuple[str, Example, str | None]]:
        """The id of its page, the example and its answer, for every record; None where it failed."""
        for record in records:
            page, _, number = record["id"].partition(":q")
            examples = self.pages.get(page, ())
            if examples:
                yield page, examples[int(number or 1) - 1], record["answer"]


def share_out(
    answered: Iterable[tuple[str, Example, str | None]],
    score: Callable[[Example, str], float],
) -> Shares:
    """The shares of right answers in every group."""
    shares: Shares = {}
    for _, example, answer in answered:
        right = 0.0 if answer is None else score(example, answer)
        for what, group in example.groups.items():
            shares.setdefault(what, {}).setdefault(group, Share()).add(right)
    return shares


def as_json(shares: Shares) -> dict[str, dict[str, dict[str, float]]]:
    """Every group's share and what it is a share of."""
    return {
        what: {
            group: {"right": round(share.share, 4), "of": share.of}
            for group, share in groups.items()
        }
        for what, groups in shares.items()
    }
