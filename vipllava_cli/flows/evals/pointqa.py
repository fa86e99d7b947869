"""PointQA-LookTwice: a question about all objects like the one in the box, answered by a phrase.

The rows are those of ViP-LLaVA's evaluation: `id`, `image`, `bboxes` (one, in pixels),
`general_question` and `answer`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vipllava_cli.engine.prompts.templates import PHRASE_LINE
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import Case, Sample
from vipllava_cli.flows.evals.json_rows import (
    find_image,
    make_mark,
    parse_boxes,
    parse_samples,
    parse_text,
    read_rows,
)
from vipllava_cli.flows.evals.scorers import SCORERS
from vipllava_cli.marks.colors import MODEL_COLORS

FIELDS = ("id", "image", "bboxes (1)", "general_question", "answer")
GROUPS = {"all": "all"}
_EXAMPLE_LINE = "The exemplary object is within the rectangle."


def load(options: DatasetOptions) -> Iterator[Sample]:
    """Return a sample for each row. The mark is always red. Raises InputError."""
    rows = read_rows(options.data, options.questions, FIELDS)
    return parse_samples(
        rows, options.limit, GROUPS, lambda row, id: _parse_row(row, id, options.data)
    )


def _parse_row(row: Mapping[str, Any], id: str, data: Path) -> Iterator[Sample]:
    (box,) = parse_boxes(row, 1)
    question = f"{parse_text(row, 'general_question')} {_EXAMPLE_LINE}\n{PHRASE_LINE}"
    # Answers to "how many" may be JSON numbers.
    target = str(row["answer"]) if type(row.get("answer")) is int else parse_text(row, "answer")
    case = Case(question, target, GROUPS)
    yield Sample(id, find_image(row, data), (case,), (make_mark("box", box, MODEL_COLORS[0]),))


POINTQA = Benchmark(
    name="pointqa",
    load=load,
    scorers={"published": SCORERS["exact"], "lenient": SCORERS["phrase"]},
    # Table 2 of the paper, arXiv 2312.00784.
    published={"published": {"all": {"all": {"ViP-LLaVA 7B": 71.31, "ViP-LLaVA 13B": 71.77}}}},
)
