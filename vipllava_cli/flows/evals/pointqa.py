"""PointQA-LookTwice: a question about all objects like the one in the box, answered by a phrase.

The rows are those of ViP-LLaVA's evaluation: `id`, `image`, `bboxes` (one, in pixels),
`general_question` and `answer`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.engine.prompts.templates import PHRASE_LINE
from vipllava_cli.flows.evals.dataset import Case, Sample
from vipllava_cli.flows.evals.json_rows import (
    boxes_of,
    image_of,
    mark,
    read_pages,
    read_rows,
    words_of,
)
from vipllava_cli.marks.colors import MODEL_COLORS

FIELDS = ("id", "image", "bboxes (1)", "general_question", "answer")
GROUPS = {"all": "all"}
# Table 2 of the paper, arXiv 2312.00784.
PUBLISHED = {"published": {"all": {"all": {"ViP-LLaVA 7B": 71.31, "ViP-LLaVA 13B": 71.77}}}}
_EXEMPLARY = "The exemplary object is within the rectangle."


def samples(data: Path, questions: Path | None, limit: int | None, seed: int) -> Iterator[Sample]:
    """A page for each row; nothing is drawn by chance. Raises InputError."""
    rows = read_rows(data, questions, FIELDS)
    return read_pages(rows, limit, GROUPS, lambda row, id: _page(row, id, data))


def _page(row: Mapping[str, Any], id: str, data: Path) -> Iterator[Sample]:
    (box,) = boxes_of(row, 1)
    question = f"{words_of(row, 'general_question')} {_EXEMPLARY}\n{PHRASE_LINE}"
    wanted = str(row["answer"]) if type(row.get("answer")) is int else words_of(row, "answer")
    case = Case(question, wanted, GROUPS)
    yield Sample(id, image_of(row, data), (case,), (mark("box", box, MODEL_COLORS[0]),))
