"""Visual7W, pointing: which of four boxes contains the answer to the question.

The rows are those of ViP-LLaVA's evaluation: `id`, `image`, `question`, four `bboxes` in pixels, and
`answer`, one of them.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from vipllava_cli.engine.prompts.phrases import object_phrase
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import Sample
from vipllava_cli.flows.evals.json_rows import (
    choose_colors,
    find_image,
    make_mark,
    multiple_choice,
    parse_boxes,
    parse_samples,
    parse_text,
    read_rows,
)
from vipllava_cli.flows.evals.scorers import SCORERS
from vipllava_cli.marks.types import Mark

FIELDS = ("id", "image", "question", "bboxes (4)", "answer")
GROUPS = {"all": "all"}


def load(options: DatasetOptions) -> Iterator[Sample]:
    """Return a sample for each row. The seed and the row's id decide the colours. Raises InputError."""
    rows = read_rows(options.data, options.questions, FIELDS)
    return parse_samples(rows, options.limit, GROUPS, lambda row, id: _parse_row(row, id, options))


def _parse_row(row: Mapping[str, Any], id: str, options: DatasetOptions) -> Iterator[Sample]:
    boxes, answer = parse_boxes(row, 4), row.get("answer")
    if answer not in row["bboxes"]:
        raise InputError(
            f'expected an "answer" that is one of the bboxes, found {short_repr(answer)}'
        )
    if row["bboxes"].count(answer) > 1:
        raise InputError(
            f"expected an answer that is one of the bboxes, found two that are {short_repr(answer)}"
        )
    colors = choose_colors(id, options.seed, 4)
    marks = tuple(make_mark("box", box, color) for box, color in zip(boxes, colors, strict=True))
    texts = tuple(object_phrase(Mark("box", (), color)).capitalize() for color in colors)
    correct = row["bboxes"].index(answer)
    question = parse_text(row, "question")
    case = multiple_choice(question, texts, correct, GROUPS, by_text=options.by_text)
    yield Sample(id, find_image(row, options.data), (case,), marks)


VISUAL7W = Benchmark(
    name="visual7w",
    load=load,
    scorers={"published": SCORERS["exact"], "lenient": SCORERS["letter"]},
    # Table 1 of the paper, arXiv 2312.00784.
    published={"published": {"all": {"all": {"ViP-LLaVA 7B": 86.60, "ViP-LLaVA 13B": 87.91}}}},
)
