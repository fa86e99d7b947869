"""Run a benchmark: dataset -> batch of questions -> results -> scores, all in one folder."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from vipllava_cli.engine.base import Engine
from vipllava_cli.engine.options import VIPLLAVA_TEMPLATE, GenerationOptions
from vipllava_cli.engine.prompts.control_words import drop_image_word
from vipllava_cli.engine.prompts.references import DRAWN, Reference
from vipllava_cli.errors import InputError, ModelError
from vipllava_cli.flows.batch.conflicts import ConflictError
from vipllava_cli.flows.batch.run import BatchRun, BatchSummary, ProgressListener
from vipllava_cli.flows.batch.task import BatchTask
from vipllava_cli.flows.evals.benchmark import LIKELIHOOD, Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import Result, SampleBatch
from vipllava_cli.flows.evals.judges.grades import GradingRow
from vipllava_cli.flows.evals.judges.grading import Judge, grade
from vipllava_cli.flows.evals.metrics import (
    UNGRADED,
    GradeScorer,
    Metric,
    PublishedFigures,
    compute_metrics,
    score_result,
)
from vipllava_cli.flows.evals.output_files import (
    check_run_folder,
    read_predictions,
    remove_scores,
    write_predictions,
    write_scores,
)
from vipllava_cli.flows.evals.record_scores import store_scores
from vipllava_cli.flows.evals.same_run import check_same_run
from vipllava_cli.flows.evals.sample_images import AnotherRunError
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.sources.rows import Source
from vipllava_cli.storage.files import make_folder
from vipllava_cli.storage.journal import Journal, open_journal, read_journal
from vipllava_cli.storage.record_file import RECORDS_NAME

GRADES = "grades.jsonl"


@dataclass(frozen=True)
class EvalModel:
    """The model of a run: its name and revision as in records, and a function that opens it.

    `reference` is how the questions refer to marks. `template` is as in records, never `auto`.
    """

    name: str
    revision: str
    open: Callable[[], Engine]
    template: str = VIPLLAVA_TEMPLATE
    reference: Reference = DRAWN


@dataclass
class Evaluation:
    """The results of a benchmark's run, and its metrics once they are scored.

    `facts` describe the run, in the order of `scores.json`. `ungraded` counts the answers that a judge
    could not grade. `summary` counts the questions of a run, and its failures by reason.
    """

    benchmark: Benchmark
    options: DatasetOptions
    folder: Path
    results: Sequence[Result]
    facts: dict[str, Any]
    metrics: list[Metric] = field(default_factory=list)
    ungraded: int = 0
    csv_safe: bool = False
    summary: BatchSummary = field(default_factory=BatchSummary)

    @property
    def failed(self) -> int:
        """The number of cases without an answer."""
        return sum(result.answer is None for result in self.results)


def answer_samples(
    benchmark: Benchmark,
    options: DatasetOptions,
    folder: Path,
    model: EvalModel,
    listener: ProgressListener,
    *,
    force: bool = False,
) -> Evaluation:
    """Answer all questions of a benchmark as a batch. The records in the folder resume it.

    Another run in the folder, with another model or other options, is replaced with `force`.

    Raises InputError for another run without `force`, for unusable data and for a folder that cannot
    be written, and ModelError.
    """
    options = replace(options, marks_apart=model.reference.style is not ReferenceStyle.drawn)
    samples = benchmark.load(options)  # before the folder is created: it may raise
    check_run_folder(folder)
    make_folder(folder)
    choices = tuple("ABCD") if options.by == LIKELIHOOD else ()
    task = BatchTask(
        (model.name, model.revision),
        template=model.template,
        options=GenerationOptions(
            options.max_new_tokens or benchmark.max_new_tokens, choices=choices
        ),
        reference=model.reference,
        notes_rows=benchmark.notes_rows,
    )
    batch, path = SampleBatch(folder), folder / RECORDS_NAME

    summary = BatchSummary()

    def answer(journal: Journal) -> None:
        nonlocal summary
        run = BatchRun(Source(batch.rows(samples), "eval"), task, journal, model.open, listener)
        summary = run()

    try:
        with open_journal(path) as journal:
            if journal.has_answers:
                check_same_run(folder, benchmark, options)
            answer(journal)
    except (AnotherRunError, ConflictError) as error:
        if not force:
            difference = error.difference if isinstance(error, ConflictError) else error
            raise InputError(
                f"{difference}: give another --out, or add --force to start over in {folder}"
            ) from None
        # Scores of the earlier run would stop the run that continues this one, or pass for its own.
        remove_scores(folder)
        samples, batch = benchmark.load(options), SampleBatch(folder, overwrite=True)
        with open_journal(path, fresh=True, force=True) as journal:
            answer(journal)
    if not batch.cases:
        raise InputError(f"{options.data} has no rows: expected at least one question")
    results = list(batch.results(read_journal(path)))
    source = {"model": model.name, "revision": model.revision, "template": model.template}
    if model.reference.style.recorded:
        source["mark style"] = model.reference.style.recorded
    evaluation = _evaluation(benchmark, options, folder, results, source)
    evaluation.summary = summary
    if summary.usage is not None:
        evaluation.facts["tokens of this run"] = {
            name: value for name, value in asdict(summary.usage).items() if value is not None
        }
    return evaluation


def load_predictions(
    benchmark: Benchmark, options: DatasetOptions, folder: Path, file: Path
) -> tuple[Evaluation, int]:
    """Take stored answers, a JSON object by id, instead of asking a model.

    Returns the evaluation, and the number of answers that belong to no question. Raises InputError.
    """
    assert benchmark.from_predictions is not None  # noqa: S101 - the command checks the benchmark
    stored = read_predictions(file)
    results = benchmark.from_predictions(options, stored)
    check_run_folder(folder, [file])
    try:
        check_same_run(folder, benchmark, options)
    except AnotherRunError as error:
        raise InputError(f"{error}: give another --out") from None
    make_folder(folder)
    unknown = len(stored.keys() - {result.id for result in results})
    limited = list(islice(results, options.limit))
    source = {"predictions": str(file)}
    return _evaluation(benchmark, options, folder, limited, source), unknown


def _evaluation(
    benchmark: Benchmark,
    options: DatasetOptions,
    folder: Path,
    results: Sequence[Result],
    source: Mapping[str, Any],
) -> Evaluation:
    evaluation = Evaluation(benchmark, options, folder, results, {})
    evaluation.facts |= {
        "benchmark": benchmark.name,
        "rows": len(results),
        "failed": evaluation.failed,
        **source,
        **benchmark.facts(options),
    }
    return evaluation


def save_predictions(evaluation: Evaluation) -> Path:
    """Write the answers by id as other tools read them; a failed one is empty. Raises InputError."""
    answers = {result.unique_id: result.answer or "" for result in evaluation.results}
    return write_predictions(evaluation.folder, answers)


# --- scoring ---------------------------------------------------------------------------------


def score_results(evaluation: Evaluation) -> None:
    """Score the results with the benchmark's scorers, and write all scores. Raises InputError."""
    benchmark = evaluation.benchmark
    _score(evaluation, benchmark.scorers, benchmark.published)


def grade_results(
    evaluation: Evaluation,
    judge: Judge,
    on_progress: Callable[[int, int], None],
    on_note: Callable[[str], None] = lambda note: None,
) -> int:
    """Let a judge score the results, and write all scores.

    Grades in the folder are reused. Returns the number of answers that the judge could not grade. They
    have no score. Raises InputError, and ModelError, also if no answer was graded.
    """
    rows = [
        GradingRow(result.unique_id, _judge_question(result), result.case.target, result.answer)
        for result in evaluation.results
    ]
    grades = grade(rows, judge, evaluation.folder / GRADES, on_progress, on_note)
    ungraded = [each for each in grades.values() if each.score is None]
    graded = len(rows) - evaluation.failed - len(ungraded)
    if ungraded and not graded:
        raise ModelError(
            f"{judge.name} graded none of {len(ungraded)} answers; the last error:"
            f" {ungraded[-1].error}; the same command tries again"
        )
    evaluation.ungraded = len(ungraded)
    evaluation.facts |= {
        "judge": judge.name,
        "graded": graded,
        UNGRADED: len(ungraded),
        "judge tokens": {
            "prompt": sum(each.prompt_tokens for each in grades.values()),
            "answer": sum(each.answer_tokens for each in grades.values()),
        },
    }
    published = evaluation.benchmark.published[evaluation.options.split]
    _score(
        evaluation,
        {judge.name: lambda result: grades[result.unique_id].score},
        {judge.name: published},
    )
    return evaluation.ungraded


def _judge_question(result: Result) -> str:
    case = result.case
    question = case.question if case.judge_question is None else case.judge_question
    return drop_image_word(question).text


def _score(
    evaluation: Evaluation,
    scorers: Mapping[str, GradeScorer],
    published: Mapping[str, PublishedFigures],
) -> None:
    """Compute the metrics, and write them and the scores of the records."""
    results, benchmark = evaluation.results, evaluation.benchmark
    for name, scorer in scorers.items():
        evaluation.metrics += compute_metrics(
            results, {name: scorer}, published, benchmark.group_order
        )
        if benchmark.combine is not None:
            combined = benchmark.combine(results, benchmark.scorers[name])
            evaluation.metrics += compute_metrics(
                combined, {name: lambda result: float(result.answer == "yes")}, published
            )
    scores = {
        result.record_id: {
            name: score
            for name, scorer in scorers.items()
            if (score := score_result(result, scorer)) is not None
        }
        for result in results
        if result.record_id
    }
    if scores:
        store_scores(evaluation.folder / RECORDS_NAME, scores)
    write_scores(
        evaluation.folder,
        evaluation.metrics,
        evaluation.facts,
        benchmark,
        csv_safe=evaluation.csv_safe,
    )
