"""The options of `vipllava eval`, in groups that `command` spreads out for Typer.

Nobody compares or prints a group, so the dataclasses leave out `eq` and `repr`: `--help` starts faster.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol

import typer

from vipllava_cli.cli.mark_style_options import MarkStyleName
from vipllava_cli.cli.options import CsvSafe, out_option
from vipllava_cli.engine.options import MAX_NEW_TOKENS, MAX_SEED, TemplateName

if TYPE_CHECKING:  # imports NumPy, which `--help` does not need
    from vipllava_cli.flows.evals.benchmark import DatasetOptions
    from vipllava_cli.flows.evals.judges.grading import Judge

DATA_PANEL, SCORE_PANEL, JUDGE_PANEL = "Benchmark", "Scores", "Judge"


class ImageTransform(StrEnum):
    """The transforms of `clipart.benchmark.IMAGE_TRANSFORMS`, which `--help` must not import."""

    none = "none"
    jpeg = "jpeg"
    half = "half"
    double = "double"
    wide = "wide"


class By(StrEnum):
    """How the model chooses an option."""

    letter = "letter"
    likelihood = "likelihood"
    text = "text"


class EvalMarkStyle(StrEnum):
    """The values of `--mark-style`: those of `ask`, and `all`."""

    auto = MarkStyleName.auto.value
    drawn = MarkStyleName.drawn.value
    numbered = MarkStyleName.numbered.value
    coordinates = MarkStyleName.coordinates.value
    coordinates_drawn = MarkStyleName.coordinates_drawn.value
    crop = MarkStyleName.crop.value
    all = "all"


class Split(StrEnum):
    """The splits of ViP-Bench."""

    bbox = "bbox"
    human = "human"


class JudgeKind(StrEnum):
    """The judges that need no server."""

    exact = "exact"


def _data(help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=DATA_PANEL, **more)


def _judge(help: str, **more: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=JUDGE_PANEL, **more)


_OUT = out_option(
    "records and scores",
    "The same command resumes after a stop.",
    metavar="DIR",
    panel=DATA_PANEL,
)
Data = Annotated[Path, _data("Folder with the benchmark's files.", "--data", metavar="DIR")]
Out = Annotated[Path, _OUT]
Force = Annotated[
    bool, _data("Start over if --out holds another run, and replace its answers.", "--force")
]
MAX_ROWS = 1_000_000_000  # of a benchmark

Limit = Annotated[
    int | None,
    _data("Use only the first N rows.", "--limit", metavar="N", min=1, max=MAX_ROWS),
]
# Its name is not that of the option of `ask`: a setting for questions does not change benchmarks.
AnswerLimit = Annotated[
    int | None,
    _data(
        "Maximum length of an answer, in tokens; more for a model that thinks first. (default: the"
        " benchmark's own)",
        "--max-new-tokens",
        metavar="N",
        min=1,
        max=MAX_NEW_TOKENS,
    ),
]
Template = Annotated[
    TemplateName, _data("Prompt template; the published runs use vicuna.", "--template")
]

MarkStyle = Annotated[
    EvalMarkStyle,
    _data("How questions refer to marks, as in `ask`; all compares the styles.", "--mark-style"),
]


class EvalOptions(Protocol):
    """The options of a benchmark. Without `out`, a run keeps no files."""

    @property
    def out(self) -> Path | None: ...

    @property
    def template(self) -> TemplateName: ...

    @property
    def force(self) -> bool: ...

    @property
    def csv_safe(self) -> bool: ...

    def dataset(self) -> "DatasetOptions": ...


@dataclass(frozen=True, eq=False, repr=False)
class ClipartOptions:
    """The scenes of `clipart`."""

    n: Annotated[int, _data("Number of scenes.", "--n", metavar="N", min=1, max=MAX_ROWS)] = 200
    seed: Annotated[int, _data("Seed of the scenes.", metavar="N", min=0, max=MAX_SEED)] = 0
    transform: Annotated[
        ImageTransform,
        _data(
            "Transform the images first: JPEG at quality 60, half or double size, or a canvas wider"
            " by a third.",
            "--transform",
        ),
    ] = ImageTransform.none
    answer_limit: AnswerLimit = None
    mark_style: MarkStyle = EvalMarkStyle.auto
    out: Annotated[Path | None, _OUT] = None
    force: Force = False
    csv_safe: CsvSafe = False
    template: ClassVar[TemplateName] = TemplateName.auto

    def dataset(self) -> "DatasetOptions":
        from vipllava_cli.flows.evals.benchmark import DatasetOptions

        return DatasetOptions(
            scenes=self.n,
            seed=self.seed,
            transform=self.transform.value,
            max_new_tokens=self.answer_limit,
        )


@dataclass(frozen=True, eq=False, repr=False)
class RowOptions:
    """The rows of a benchmark in one JSON file."""

    data: Data
    out: Out
    questions: Annotated[
        Path | None,
        _data("JSON array of rows. (default: the only JSON file in --data)", metavar="FILE"),
    ] = None
    limit: Limit = None
    seed: Annotated[int, _data("Seed of the marks' colours.", metavar="N", min=0, max=MAX_SEED)] = 0
    answer_limit: AnswerLimit = None
    mark_style: MarkStyle = EvalMarkStyle.auto
    template: Template = TemplateName.auto
    force: Force = False
    csv_safe: CsvSafe = False

    def dataset(self) -> "DatasetOptions":
        from vipllava_cli.flows.evals.benchmark import DatasetOptions

        return DatasetOptions(
            self.data, self.questions, self.limit, self.seed, max_new_tokens=self.answer_limit
        )


ChosenBy = Annotated[
    By,
    typer.Option(
        "--by",
        help="Answer with the letter that the model writes, the likeliest letter, or the option"
        " whose text is the likeliest answer to the question alone.",
        rich_help_panel=SCORE_PANEL,
    ),
]


@dataclass(frozen=True, eq=False, repr=False)
class ChoiceOptions(RowOptions):
    """The rows of a benchmark with multiple-choice questions."""

    by: ChosenBy = By.letter

    def dataset(self) -> "DatasetOptions":
        return replace(super().dataset(), by=self.by.value)


@dataclass(frozen=True, eq=False, repr=False)
class VpBenchOptions:
    """The rows of VP-Bench."""

    data: Annotated[
        Path,
        _data(
            "Parquet file, folder of such files, pattern like 'stage_1*.parquet', or .tsv table.",
            "--data",
            metavar="FILE",
        ),
    ]
    out: Out
    limit: Limit = None
    mark_style: MarkStyle = EvalMarkStyle.auto
    answer_limit: AnswerLimit = None
    template: Annotated[TemplateName, _data("Prompt template.", "--template")] = RowOptions.template
    force: Force = False
    csv_safe: CsvSafe = False
    by: ChosenBy = By.letter

    def dataset(self) -> "DatasetOptions":
        from vipllava_cli.flows.evals.benchmark import DatasetOptions

        return DatasetOptions(
            self.data, limit=self.limit, by=self.by.value, max_new_tokens=self.answer_limit
        )


@dataclass(frozen=True, eq=False, repr=False)
class VipBenchOptions:
    """The questions of ViP-Bench, or stored answers to them."""

    data: Data
    out: Out
    split: Annotated[Split, _data("Images with boxes, or with marks drawn by people.")] = Split.bbox
    limit: Limit = None
    answer_limit: AnswerLimit = None
    template: Template = TemplateName.auto
    force: Force = False
    csv_safe: CsvSafe = False
    predictions: Annotated[
        Path | None,
        _data(
            "Grade the answers in FILE, a JSON object by id, instead of running a model.",
            metavar="FILE",
        ),
    ] = None

    def dataset(self) -> "DatasetOptions":
        from vipllava_cli.flows.evals.benchmark import DatasetOptions

        return DatasetOptions(
            self.data,
            limit=self.limit,
            split=self.split.value,
            max_new_tokens=self.answer_limit,
        )


@dataclass(frozen=True, eq=False, repr=False)
class JudgeOptions:
    """The judge of free answers."""

    judge: Annotated[
        JudgeKind | None, _judge("exact looks for the words of the right answer, without a server.")
    ] = None
    judge_url: Annotated[
        str | None,
        _judge("Address of the judge's server; the key is in OPENAI_API_KEY.", metavar="URL"),
    ] = None
    judge_model: Annotated[
        str | None,
        _judge(
            "Model that grades: a name of `models add`, else a model of --judge-url or of OpenAI; the"
            " published scores use gpt-4-0613.",
            metavar="NAME",
        ),
    ] = None
    judge_parallel: Annotated[
        int, _judge("Answers graded in parallel.", metavar="N", min=1, max=256)
    ] = 4
    judge_timeout: Annotated[
        float,
        _judge("Seconds to wait for a reply of the judge.", metavar="SECONDS", min=0.1, max=3600),
    ] = 60.0

    def select(self) -> "Judge | None":
        """Return the chosen judge, None without one. Raises UsageError."""
        from vipllava_cli.flows.evals.judges.select import select_judge

        kind = self.judge and self.judge.value
        return select_judge(
            kind, self.judge_model, self.judge_url, self.judge_parallel, self.judge_timeout
        )
