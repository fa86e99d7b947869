"""VP-Bench: multiple-choice questions about visual prompts in eight shapes.

Stage 1 has images with their marks. Stage 2 has regions, on which this program draws a mark.
https://github.com/Endlinc/VP-Bench, arXiv 2511.11438
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any

from vipllava_cli.errors import InputError
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import Case, Groups, Result, Sample
from vipllava_cli.flows.evals.scorers import SCORERS
from vipllava_cli.flows.evals.vp_bench.cells import (
    first_cell,
    image_cell,
    item_texts,
    text_cell,
)
from vipllava_cli.flows.evals.vp_bench.data_files import DataFile, Fields, find_files
from vipllava_cli.flows.evals.vp_bench.questions import (
    CONTEXT,
    LETTERS,
    parse_question,
    without_placeholders,
)
from vipllava_cli.flows.evals.vp_bench.regions import BoxForms, find_box_forms, mark_region

# Columns, by their names in the Parquet file and in the table for VLMEvalKit.
ID = ("index", "id")
SHAPE = ("vp_shape", "category")
TASK = ("question_type", "task", "l2-category")
AMOUNT, PROPERTIES, SOURCE = "vp_amount", "vp_properties", "meta_source"
_REGIONS = ("meta_bbox", "meta_polygon")
_QUESTION = ("question", "answer", *LETTERS, "options", *CONTEXT)
_COLUMNS = (
    *(*ID, *_QUESTION, "image"),
    *(*SHAPE, *TASK, AMOUNT, PROPERTIES),
    *(SOURCE, "data_file", *_REGIONS),
)
_REQUIRED = {1: ("question", "answer", "image", "A", "B"), 2: ("question", "answer", "image")}
_ALL: Groups = {"all": "all"}


def load(options: DatasetOptions) -> Iterator[Sample]:
    """Return a sample for each row. Raises InputError for files of another kind."""
    files = find_files(options.data)
    stage = _find_stage(files)
    rows = chain.from_iterable(file.rows(_COLUMNS) for file in files)
    if stage == 1:
        return _stage_1_samples(rows, options)
    return islice(_stage_2_samples(rows, options, find_box_forms(files)), options.limit)


def facts(options: DatasetOptions) -> dict[str, Any]:
    """Return the options that the scores name, and how many rows of stage 2 have no answer."""
    files = find_files(options.data)
    stage = _find_stage(files)
    rows = chain.from_iterable(file.rows(("answer",)) for file in files) if stage == 2 else ()
    unanswered = sum(not isinstance(row, InputError) and not _has_answer(row) for row in rows)
    left_out = {"rows without an answer": unanswered} if unanswered else {}
    return {"stage": stage, "by": options.by, "limit": options.limit, **left_out}


def _find_stage(files: Sequence[DataFile]) -> int:
    """Return the stage of the files, 1 or 2. Raises InputError if a column is missing."""
    stages = {file.path: 2 if set(_REGIONS) & set(file.columns) else 1 for file in files}
    for file in files:
        missing = [name for name in _REQUIRED[stages[file.path]] if name not in file.columns]
        if missing:
            raise InputError(
                f"{file.path} is not VP-Bench: expected the columns"
                f" {', '.join(_REQUIRED[stages[file.path]])}, found no {', '.join(missing)}"
            )
    if len(set(stages.values())) > 1:
        other = next(path for path, stage in stages.items() if stage == 2)
        raise InputError(
            f"{other} is of stage 2, and other files are of stage 1: name files of one stage"
        )
    return stages[files[0].path]


# --- stage 1 -----------------------------------------------------------------------------------


def _stage_1_samples(
    rows: Iterator[Fields | InputError], options: DatasetOptions
) -> Iterator[Sample]:
    for number, fields in enumerate(islice(rows, options.limit), 1):
        if isinstance(fields, InputError):
            yield _failed_sample(str(number), _ALL, fields)
            continue
        id, groups = _row_id(fields, number), _groups(fields)
        try:
            question = without_placeholders(text_cell(fields["question"]))
            case = parse_question({**fields, "question": question}).case(options.by, groups)
            yield Sample(id, image_cell(fields["image"]), (case,), extra=_extra(fields))
        except InputError as error:
            yield _failed_sample(id, groups, error)


def _row_id(fields: Fields, number: int) -> str:
    return text_cell(first_cell(fields, ID)) or str(number)


def _failed_sample(id: str, groups: Groups, error: InputError) -> Sample:
    return Sample(id, "", (Case("", "", groups),), error=error)


def _groups(fields: Fields) -> Groups:
    """Return the groups of a row. A row with marks of several shapes counts in each shape."""
    amount, task = text_cell(fields.get(AMOUNT)), text_cell(first_cell(fields, TASK))
    attributes = item_texts(fields.get(PROPERTIES))
    written = " ".join(text_cell(fields.get(PROPERTIES)).split())
    groups: Mapping[str, str | tuple[str, ...]] = {
        "task": task,
        "shape": item_texts(first_cell(fields, SHAPE)),
        "amount": amount,
        "attribute": attributes,
        "attributes": "" if attributes == (written,) else written,
    }
    return {**_ALL, **{kind: group for kind, group in groups.items() if group}}


def _extra(fields: Fields) -> dict[str, Any]:
    """Return the cells about the marks, for the record."""
    names = (*SHAPE, *TASK, AMOUNT, PROPERTIES, SOURCE)
    return {name: text for name in names if (text := text_cell(fields.get(name)))}


# --- stage 2 -----------------------------------------------------------------------------------


def _stage_2_samples(
    rows: Iterator[Fields | InputError], options: DatasetOptions, forms: BoxForms
) -> Iterator[Sample]:
    """Yield the samples of stage 2. Rows without an answer are not for scoring, and are left out."""
    for number, fields in enumerate(rows, 1):
        if isinstance(fields, InputError):
            yield _failed_sample(str(number), _ALL, fields)
            continue
        if not _has_answer(fields):
            continue
        id, groups = _row_id(fields, number), _groups(fields)
        source = text_cell(fields.get(SOURCE))
        groups = {**groups, "source": source} if source else groups
        try:
            region = mark_region(fields, forms)
            question = region.name_marks(without_placeholders(text_cell(fields.get("question"))))
            parsed = parse_question({**fields, "question": question}, may_be_free=True)
            case = parsed.case(options.by, groups)
            image = image_cell(region.image)
            yield Sample(id, image, (case,), region.marks, extra=_extra(fields))
        except InputError as error:
            yield _failed_sample(id, groups, error)


def _has_answer(fields: Fields) -> bool:
    return bool(text_cell(fields.get("answer")))


# --- scores ------------------------------------------------------------------------------------


def _score_lenient(result: Result) -> float:
    return SCORERS["letter" if result.case.options else "phrase"](result)


def _score_published(result: Result) -> float:
    has_letter = result.case.options and not result.case.by_text
    return SCORERS["first_letter" if has_letter else "phrase"](result)


VP_BENCH = Benchmark(
    name="vp-bench",
    load=load,
    # The published rule takes the A of "Answer: D" for the letter, so it is the second.
    scorers={"lenient": _score_lenient, "published": _score_published},
    facts=facts,
)
