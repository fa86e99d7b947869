"""Visual7W, pointing: which of four boxes is what the question asks for.

The rows are those of ViP-LLaVA's evaluation: `id`, `image`, `question`, four `bboxes` in pixels, and
`answer`, one of them.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.engine.prompts.phrases import object_phrase
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.dataset import Sample
from vipllava_cli.flows.evals.json_rows import (
    boxes_of,
    choice,
    colors_for,
    image_of,
    mark,
    read_pages,
    read_rows,
    words_of,
)
from vipllava_cli.marks.types import Mark

FIELDS = ("id", "image", "question", "bboxes (4)", "answer")
GROUPS = {"all": "all"}
# Table 1 of the paper, arXiv 2312.00784.
PUBLISHED = {"published": {"all": {"all": {"ViP-LLaVA 7B": 86.60, "ViP-LLaVA 13B": 87.91}}}}


def samples(
    data: Path, questions: Path | None, limit: int | None, seed: int, *, by_text: bool = False
) -> Iterator[Sample]:
    """A page for each row; colours are drawn from the seed and the row's id. Raises InputError."""
    rows = read_rows(data, questions, FIELDS)
    return read_pages(rows, limit, GROUPS, lambda row, id: _page(row, id, data, seed, by_text))


def _page(
    row: Mapping[str, Any], id: str, data: Path, seed: int, by_text: bool
) -> Iterator[Sample]:
    boxes, answer = boxes_of(row, 4), row.get("answer")
    if answer not in row["bboxes"]:
        raise InputError(
            f'expected an "answer" that is one of the bboxes, found {short_repr(answer)}'
        )
    if row["bboxes"].count(answer) > 1:
        raise InputError(
            f"two of the bboxes are the answer {short_repr(answer)}: which letter is right?"
        )
    colors = colors_for(id, seed, 4)
    marks = tuple(mark("box", box, color) for box, color in zip(boxes, colors, strict=True))
    options = tuple(object_phrase(Mark("box", (), color)).capitalize() for color in colors)
    right = row["bboxes"].index(answer)
    case = choice(words_of(row, "question"), options, right, GROUPS, by_text=by_text)
    yield Sample(id, image_of(row, data), (case,), marks)
