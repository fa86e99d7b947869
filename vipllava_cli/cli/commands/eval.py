"""`vipllava eval`: benchmarks, run as a batch and scored."""

import sys
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.command import command
from vipllava_cli.cli.options import ModelOptions, OutputOptions, out_option
from vipllava_cli.engine.prompts.templates import TemplateName
from vipllava_cli.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.base import GenerationOptions
    from vipllava_cli.flows.evals.dataset import Result, Sample
    from vipllava_cli.flows.evals.judges.grades import Grade
    from vipllava_cli.flows.evals.judges.grading import Judge
    from vipllava_cli.flows.evals.metrics import Metric

MAX_PHRASE_TOKENS = 128  # new tokens in the published evaluations of phrases and letters
DATA_PANEL, SCORE_PANEL, JUDGE_PANEL = "Benchmark", "ScoreCounts", "Judge"


class ImageTransform(StrEnum):
    """What the images go through first; kept here so that `--help` draws no scene."""

    none = "none"
    jpeg = "jpeg"
    half = "half"
    double = "double"
    wide = "wide"


class By(StrEnum):
    """How one of the options is chosen."""

    letter = "letter"
    likelihood = "likelihood"
    text = "text"


class Split(StrEnum):
    """Of ViP-Bench."""

    bbox = "bbox"
    human = "human"


class JudgeKind(StrEnum):
    """Judges that need no address."""

    exact = "exact"


def _judge(help: str, **more: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=JUDGE_PANEL, **more)


def _data(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=DATA_PANEL, **more)


Data = Annotated[Path, _data("The benchmark's files.", "--data", metavar="DIR")]
Out = Annotated[
    Path,
    out_option(
        "records, predictions and scores",
        "A later run resumes from them.",
        metavar="DIR",
        panel=DATA_PANEL,
    ),
]
Limit = Annotated[int | None, _data("Only the first rows.", "--limit", metavar="N", min=1)]
Template = Annotated[TemplateName, _data("The form of the prompt; the published runs had vicuna.")]
Json = Annotated[
    bool, typer.Option("--json", help="Print the scores as JSON.", rich_help_panel=SCORE_PANEL)
]
ChosenBy = Annotated[
    By,
    typer.Option(
        help="Take the letter that the model writes, the one that it finds likeliest, or the option"
        " whose text is the likeliest answer to the question alone.",
        rich_help_panel=SCORE_PANEL,
    ),
]


@dataclass(frozen=True)
class BenchmarkOptions:
    """A benchmark's rows, and how they are put to the model."""

    data: Data
    out: Out
    questions: Annotated[
        Path | None,
        _data("The JSON array of rows. (default: the only one in --data)", metavar="FILE"),
    ] = None
    limit: Limit = None
    seed: Annotated[int, _data("Which colours the marks get.", metavar="N", min=0)] = 0
    template: Template = TemplateName.human


@command
def demo(
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many scenes.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Which scenes.")] = 0,
    transform: Annotated[
        ImageTransform,
        typer.Option(
            help="What images go through first: JPEG at quality 60, half or double size, a canvas"
            " wider by a third."
        ),
    ] = ImageTransform.none,
    out: Annotated[
        Path | None,
        out_option("images, records and scores", "A later run resumes from them.", metavar="DIR"),
    ] = None,
    json: Json = False,
    *,
    model: ModelOptions,
    output: OutputOptions,
) -> ExitCode:
    """How often the model is right about clip-art scenes that no training has seen.

    vipllava eval demo --n 500
    """
    from vipllava_cli.engine.base import GREEDY
    from vipllava_cli.flows.evals.clipart import benchmark
    from vipllava_cli.flows.evals.metrics import metrics

    messages = output.messages()
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        samples = benchmark.samples(n, seed, transform.value)
        run = _run("demo", samples, folder, model, "human", GREEDY, messages)
    found = metrics(run.results, {"words": benchmark.score}) + benchmark.mark_following(run.results)
    run.about.update({"n": n, "seed": seed, "journey": transform.value})
    return run.conclude(found, out, json=json)


@command
def visual7w(
    *,
    flags: BenchmarkOptions,
    by: ChosenBy = By.letter,
    json: Json = False,
    model: ModelOptions,
    output: OutputOptions,
) -> ExitCode:
    """Visual7W, pointing: which of four boxes is what the question asks for.

    vipllava eval visual7w --data v7w/ --out v7w-7b/ --model 7b
    """
    from vipllava_cli.flows.evals import scorers as rules
    from vipllava_cli.flows.evals import visual7w
    from vipllava_cli.flows.evals.metrics import metrics

    samples = visual7w.samples(
        flags.data, flags.questions, flags.limit, flags.seed, by_text=by is By.text
    )
    run = _run_rows("visual7w", samples, flags, by, model, output.messages())
    scored = {"published": rules.published, "lenient": rules.by_letter}
    return run.conclude(metrics(run.results, scored, visual7w.PUBLISHED), flags.out, json=json)


@command
def pointqa(
    *, flags: BenchmarkOptions, json: Json = False, model: ModelOptions, output: OutputOptions
) -> ExitCode:
    """PointQA-LookTwice: a question about all objects like the one in the box.

    vipllava eval pointqa --data pointqa/ --out pointqa-7b/ --model 7b
    """
    from vipllava_cli.flows.evals import pointqa
    from vipllava_cli.flows.evals import scorers as rules
    from vipllava_cli.flows.evals.metrics import metrics

    samples = pointqa.samples(flags.data, flags.questions, flags.limit, flags.seed)
    run = _run_rows("pointqa", samples, flags, By.letter, model, output.messages())
    scored = {"published": rules.published, "lenient": rules.by_phrase}
    return run.conclude(metrics(run.results, scored, pointqa.PUBLISHED), flags.out, json=json)


@command
def vcr(
    *,
    flags: BenchmarkOptions,
    by: ChosenBy = By.letter,
    json: Json = False,
    model: ModelOptions,
    output: OutputOptions,
) -> ExitCode:
    """VCR: an answer about persons and things at points, and the reason for it.

    vipllava eval vcr --data vcr/ --out vcr-7b/ --model 7b
    """
    from vipllava_cli.flows.evals import scorers as rules
    from vipllava_cli.flows.evals import vcr
    from vipllava_cli.flows.evals.metrics import metrics

    samples = vcr.samples(
        flags.data, flags.questions, flags.limit, flags.seed, by_text=by is By.text
    )
    run = _run_rows("vcr", samples, flags, by, model, output.messages())
    found = []
    for name, rule in {"published": rules.published, "lenient": rules.by_letter}.items():
        found += metrics(run.results, {name: rule}, vcr.PUBLISHED)
        found += metrics(vcr.both(run.results, rule), {name: rules.published}, vcr.PUBLISHED)
    run.about["images"] = "padded to a square; the published run squashes them"
    return run.conclude(found, flags.out, json=json)


@command
def vip_bench(
    *,
    data: Data,
    out: Out,
    split: Annotated[Split, _data("Marks as boxes, or as people draw them.")] = Split.bbox,
    limit: Limit = None,
    template: Template = TemplateName.human,
    predictions: Annotated[
        Path | None,
        _data("Grade these, a JSON object of answers by id; ask no model.", metavar="FILE"),
    ] = None,
    judge: Annotated[JudgeKind | None, _judge("The offline stand-in: matches words.")] = None,
    judge_url: Annotated[
        str | None, _judge("Where the judge is; its key is in OPENAI_API_KEY.", metavar="URL")
    ] = None,
    judge_model: Annotated[
        str | None, _judge("The judge's name; gpt-4-0613 was the published one.", metavar="NAME")
    ] = None,
    judge_parallel: Annotated[
        int, _judge("So many answers graded at a time.", metavar="N", min=1, max=256)
    ] = 4,
    json: Json = False,
    model: ModelOptions,
    output: OutputOptions,
) -> ExitCode:
    """ViP-Bench: free answers about marks in images, graded by a judge.

    vipllava eval vip-bench --data ViP-Bench/ --out vip-7b/ --model 7b --judge exact
    """
    from vipllava_cli.cli.terminal.progress import count_progress
    from vipllava_cli.engine.base import GenerationOptions
    from vipllava_cli.flows.evals import vip_bench
    from vipllava_cli.flows.evals.judges.grades import GradingRow
    from vipllava_cli.flows.evals.judges.grading import grade
    from vipllava_cli.flows.evals.metrics import metrics
    from vipllava_cli.flows.evals.output_files import write_predictions
    from vipllava_cli.storage.files import make_folder

    messages = output.messages()
    chosen = _chosen_judge(judge, judge_url, judge_model, judge_parallel)
    truths = vip_bench.read_truths(data)
    if predictions is not None:
        make_folder(out)
        stored = vip_bench.read_predictions(predictions)
        results = vip_bench.of_predictions(stored, truths, limit)
        run = _Finished(results, _about("vip-bench", results) | {"predictions": str(predictions)})
        other = len(set(stored) - set(truths))
        if other:
            messages.note(f"{other} of the predictions answer no question of {data}: left out")
    else:
        samples = vip_bench.samples(data, split.value, limit)
        options = GenerationOptions(vip_bench.MOST_NEW_TOKENS)
        run = _run("vip-bench", samples, out, model, template.value, options, messages)
        place = write_predictions(out, vip_bench.predictions(run.results))
        messages.say(f"{len(run.results)} answers are in {place}")
    run.about.update({"split": split.value, "limit": limit})
    if chosen is None:
        messages.note(
            "nothing is graded: --judge-url and --judge-model name a judge, --judge exact is an offline"
            " stand-in; with --predictions FILE no answer is made anew"
        )
        return run.exit_code
    rows = [
        GradingRow(r.id, vip_bench.asked(r, truths), r.case.wanted, r.answer) for r in run.results
    ]
    with count_progress(messages, "graded") as report:
        grades = grade(rows, chosen, out / "grades.jsonl", report)
    run.about.update(_graded(chosen.name, list(grades.values())))
    ungraded = sum(each.error is not None for each in grades.values()) - run.about["failed"]
    if ungraded:
        messages.note(f"{ungraded} answers could not be graded and count as 0: see grades.jsonl")
    scored = {chosen.name: lambda result: grades[result.id].score}
    published = {chosen.name: vip_bench.published(split.value)}
    return run.conclude(metrics(run.results, scored, published), out, json=json)


def _chosen_judge(
    kind: JudgeKind | None, url: str | None, model: str | None, parallel: int
) -> "Judge | None":
    """The judge that the flags name, if they do. Raises UsageError."""
    from vipllava_cli.flows.evals.judges.chat import chat_judge
    from vipllava_cli.flows.evals.judges.grading import exact_judge

    if kind is not None:
        if url or model:
            raise UsageError("--judge exact asks no judge: leave out --judge-url and --judge-model")
        return exact_judge()
    if model is None:
        if url is not None:
            raise UsageError("--judge-url needs the name of the judge: add --judge-model NAME")
        return None
    return chat_judge(model, url, parallel=parallel)


def _graded(judge: str, grades: "list[Grade]") -> dict[str, Any]:
    """Who graded, and what it cost; a price is not known here."""
    return {
        "judge": judge,
        "ungraded": sum(grade.error is not None for grade in grades),
        "judge tokens": {
            "prompt": sum(grade.prompt_tokens for grade in grades),
            "answer": sum(grade.answer_tokens for grade in grades),
        },
    }


# --- a run -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Finished:
    """What came of a benchmark's run."""

    results: "list[Result]"
    about: dict[str, Any]

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.SOME_ROWS_FAILED if self.about["failed"] else ExitCode.DONE

    def conclude(self, metrics: "list[Metric]", out: Path | None, *, json: bool) -> ExitCode:
        """Write the scores into the folder, print them, and say how it went."""
        from vipllava_cli.cli.terminal.scores import score_tables
        from vipllava_cli.flows.evals.metrics import write_json
        from vipllava_cli.flows.evals.output_files import write_scores

        if out is not None:
            write_scores(out, metrics, self.about)
        if json:
            sys.stdout.write(write_json(metrics, self.about))
        else:
            score_tables(metrics)
        return self.exit_code


def _run_rows(
    name: str,
    samples: "Iterable[Sample]",
    flags: BenchmarkOptions,
    by: By,
    model: ModelOptions,
    messages: "Messages",
) -> _Finished:
    """A run over the rows of a file, greedy, as the flags say."""
    from vipllava_cli.engine.base import GenerationOptions

    choices = tuple("ABCD") if by is By.likelihood else ()
    options = GenerationOptions(MAX_PHRASE_TOKENS, choices=choices)
    run = _run(name, samples, flags.out, model, flags.template.value, options, messages)
    run.about.update({"by": by.value, "seed": flags.seed, "limit": flags.limit})
    return run


def _run(
    name: str,
    samples: "Iterable[Sample]",
    folder: Path,
    model: ModelOptions,
    template: str,
    options: "GenerationOptions",
    messages: "Messages",
) -> _Finished:
    """Ask about the pages as a batch, whose records stay in the folder."""
    from vipllava_cli.cli.model_loading import identify_model, open_model
    from vipllava_cli.cli.terminal.progress import watch_progress
    from vipllava_cli.flows.batch.plan import BatchTask
    from vipllava_cli.flows.batch.run import BatchRun
    from vipllava_cli.flows.evals.dataset import SampleBatch
    from vipllava_cli.sources.rows import Source
    from vipllava_cli.storage.files import make_folder
    from vipllava_cli.storage.journal import open_journal, read_journal

    make_folder(folder)
    asked = SampleBatch(folder)
    source = Source(asked.rows(samples), "eval")
    task = BatchTask(identify_model(model), template=template, options=options)
    with (
        open_journal(folder / "records.jsonl") as journal,
        watch_progress(messages, None) as watch,
    ):
        BatchRun(source, task, journal, partial(open_model, model, messages), watch)()
    results = list(asked.results(read_journal(folder / "records.jsonl")))
    asked_of = {"model": task.model[0], "revision": task.model[1], "template": template}
    return _Finished(results, _about(name, results) | asked_of)


def _about(name: str, results: "list[Result]") -> dict[str, Any]:
    """What is said above the scores."""
    failed = sum(result.answer is None for result in results)
    return {"benchmark": name, "rows": len(results), "failed": failed}
