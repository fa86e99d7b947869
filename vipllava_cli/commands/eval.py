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

from vipllava_cli.commands.command import command
from vipllava_cli.commands.flags import ModelFlags, OutputFlags, TemplateName
from vipllava_cli.errors import ExitCode

if TYPE_CHECKING:
    from vipllava_cli.batch import Summary
    from vipllava_cli.engine import GenerationOptions
    from vipllava_cli.evals.examples import Page, Result
    from vipllava_cli.evals.figures import Figure
    from vipllava_cli.render.text import Messages

PUBLISHED_MOST = 128  # new tokens in the published evaluations of phrases and letters
DATA_PANEL, SCORE_PANEL = "Benchmark", "Scores"


class Journey(StrEnum):
    """What the pictures go through first; kept here so that `--help` draws no scene."""

    none = "none"
    jpeg = "jpeg"
    half = "half"
    double = "double"
    wide = "wide"


class By(StrEnum):
    """How a letter is chosen."""

    letter = "letter"
    likelihood = "likelihood"


def _data(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=DATA_PANEL, **more)


Data = Annotated[Path, _data("The benchmark's files.", "--data", metavar="DIR")]
Out = Annotated[
    Path,
    _data(
        "Keep records, predictions and scores here, and go on from them.",
        "-o",
        "--out",
        metavar="DIR",
    ),
]
Limit = Annotated[int | None, _data("Only the first rows.", "--limit", metavar="N", min=1)]
Json = Annotated[
    bool, typer.Option("--json", help="Print the scores as JSON.", rich_help_panel=SCORE_PANEL)
]
ChosenBy = Annotated[
    By,
    typer.Option(
        help="Take the letter that the model writes, or the one that it finds likeliest.",
        rich_help_panel=SCORE_PANEL,
    ),
]


@dataclass(frozen=True)
class BenchmarkFlags:
    """A benchmark's rows, and how they are put to the model."""

    data: Data
    out: Out
    questions: Annotated[
        Path | None,
        _data("The JSON array of rows. (default: the only one in --data)", metavar="FILE"),
    ] = None
    limit: Limit = None
    seed: Annotated[int, _data("Which colours the marks get.", metavar="N", min=0)] = 0
    template: Annotated[
        TemplateName, _data("The form of the prompt; the published runs had vicuna.")
    ] = TemplateName.human


@command
def demo(
    n: Annotated[int, typer.Option("--n", metavar="N", min=1, help="How many scenes.")] = 200,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Which scenes.")] = 0,
    journey: Annotated[
        Journey,
        typer.Option(
            help="What pictures go through first: JPEG at quality 60, half or double size, a canvas"
            " wider by a third."
        ),
    ] = Journey.none,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="Keep pictures, records and scores here, and go on from them.",
        ),
    ] = None,
    json: Json = False,
    *,
    model: ModelFlags,
    output: OutputFlags,
) -> ExitCode:
    """How often the model is right about clip-art scenes that no training has seen.

    vipllava eval demo --n 500
    """
    from vipllava_cli.engine import GREEDY
    from vipllava_cli.evals import demo as benchmark
    from vipllava_cli.evals.figures import figures

    messages = output.messages()
    with ExitStack() as stack:
        folder = out or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        pages = benchmark.pages(n, seed, journey.value)
        run = _run("demo", pages, folder, model, "human", GREEDY, messages)
    found = figures(run.results, {"words": benchmark.score}) + benchmark.obedience(run.results)
    run.about.update({"n": n, "seed": seed, "journey": journey.value})
    return run.conclude(found, out, json=json)


@command
def visual7w(
    *,
    flags: BenchmarkFlags,
    by: ChosenBy = By.letter,
    json: Json = False,
    model: ModelFlags,
    output: OutputFlags,
) -> ExitCode:
    """Visual7W, pointing: which of four boxes is what the question asks for.

    vipllava eval visual7w --data v7w/ --out v7w-7b/ --model 7b
    """
    from vipllava_cli.evals import rules, visual7w
    from vipllava_cli.evals.figures import figures

    pages = visual7w.pages(flags.data, flags.questions, flags.limit, flags.seed)
    run = _run_rows("visual7w", pages, flags, by, model, output.messages())
    scored = {"published": rules.published, "lenient": rules.by_letter}
    return run.conclude(figures(run.results, scored, visual7w.PUBLISHED), flags.out, json=json)


@command
def pointqa(
    *, flags: BenchmarkFlags, json: Json = False, model: ModelFlags, output: OutputFlags
) -> ExitCode:
    """PointQA-LookTwice: a question about all objects like the one in the box.

    vipllava eval pointqa --data pointqa/ --out pointqa-7b/ --model 7b
    """
    from vipllava_cli.evals import pointqa, rules
    from vipllava_cli.evals.figures import figures

    pages = pointqa.pages(flags.data, flags.questions, flags.limit, flags.seed)
    run = _run_rows("pointqa", pages, flags, By.letter, model, output.messages())
    scored = {"published": rules.published, "lenient": rules.by_phrase}
    return run.conclude(figures(run.results, scored, pointqa.PUBLISHED), flags.out, json=json)


@command
def vcr(
    *,
    flags: BenchmarkFlags,
    by: ChosenBy = By.letter,
    json: Json = False,
    model: ModelFlags,
    output: OutputFlags,
) -> ExitCode:
    """VCR: an answer about persons and things at points, and the reason for it.

    vipllava eval vcr --data vcr/ --out vcr-7b/ --model 7b
    """
    from vipllava_cli.evals import rules, vcr
    from vipllava_cli.evals.figures import figures

    pages = vcr.pages(flags.data, flags.questions, flags.limit, flags.seed)
    run = _run_rows("vcr", pages, flags, by, model, output.messages())
    found = []
    for name, rule in {"published": rules.published, "lenient": rules.by_letter}.items():
        found += figures(run.results, {name: rule}, vcr.PUBLISHED)
        found += figures(vcr.both(run.results, rule), {name: rules.published}, vcr.PUBLISHED)
    run.about["pictures"] = "padded to a square; the published run squashes them"
    return run.conclude(found, flags.out, json=json)


# --- a run -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Finished:
    """What came of a benchmark's run."""

    results: "list[Result]"
    summary: "Summary"
    about: dict[str, Any]

    def conclude(self, figures: "list[Figure]", out: Path | None, *, json: bool) -> ExitCode:
        """Write the scores into the folder, print them, and say how it went."""
        from vipllava_cli.evals.figures import write_json
        from vipllava_cli.evals.keeping import keep_scores
        from vipllava_cli.render.scores import score_tables

        if out is not None:
            keep_scores(out, figures, self.about)
        if json:
            sys.stdout.write(write_json(figures, self.about))
        else:
            score_tables(figures)
        return ExitCode.SOME_ROWS_FAILED if self.about["failed"] else ExitCode.DONE


def _run_rows(
    name: str,
    pages: "Iterable[Page]",
    flags: BenchmarkFlags,
    by: By,
    model: ModelFlags,
    messages: "Messages",
) -> _Finished:
    """A run over the rows of a file, greedy, as the flags say."""
    from vipllava_cli.engine import GenerationOptions

    choices = tuple("ABCD") if by is By.likelihood else ()
    options = GenerationOptions(PUBLISHED_MOST, choices=choices)
    run = _run(name, pages, flags.out, model, flags.template.value, options, messages)
    run.about.update({"by": by.value, "seed": flags.seed, "limit": flags.limit})
    return run


def _run(
    name: str,
    pages: "Iterable[Page]",
    folder: Path,
    model: ModelFlags,
    template: str,
    options: "GenerationOptions",
    messages: "Messages",
) -> _Finished:
    """Ask about the pages as a batch, whose records stay in the folder."""
    from vipllava_cli.batch import Run
    from vipllava_cli.commands.opening import name_model, open_model
    from vipllava_cli.evals.examples import Asked
    from vipllava_cli.files import make_folder
    from vipllava_cli.journal import open_journal, read_records
    from vipllava_cli.planning import Task
    from vipllava_cli.render.progress import watching
    from vipllava_cli.rows import Source

    make_folder(folder)
    asked = Asked(folder)
    source = Source(asked.rows(pages), "eval")
    task = Task(name_model(model), template=template, options=options)
    with (
        open_journal(folder / "records.jsonl") as journal,
        watching(messages, None) as watch,
    ):
        summary = Run(source, task, journal, partial(open_model, model, messages), watch)()
    results = list(asked.results(read_records(folder / "records.jsonl")))
    about = {
        "benchmark": name,
        "model": task.model[0],
        "revision": task.model[1],
        "template": template,
        "rows": len(results),
        "failed": sum(result.answer is None for result in results),
    }
    return _Finished(results, summary, about)
