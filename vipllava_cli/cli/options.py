"""The options that several subcommands share, in groups that `command` spreads out for Typer.

Nobody compares or prints a group, so the dataclasses leave out `eq` and `repr`: `--help` starts faster.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.cli.completion import complete_models
from vipllava_cli.engine.options import (
    AUTO_DEVICE,
    DEFAULT_TEMPLATE,
    GREEDY,
    MAX_NEW_TOKENS,
    MAX_SEED,
    MAX_TEMPERATURE,
    MIN_TOP_P,
    Attention,
    Dtype,
    GenerationOptions,
    Quantization,
    TemplateName,
    complete_device,
    parse_device,
)
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.marks.shape_table import DEFAULT_WIDTH, SHAPES, Units

if TYPE_CHECKING:  # these load Pillow, psutil or Rich, which `--help` does not need
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.marks.types import MarkSpec, MarkStyle
    from vipllava_cli.storage.settings import UserSettings

MARKS_PANEL = "Marks (repeatable; drawn in the order given)"
MODEL_PANEL = "Model"
ANSWER_PANEL = "Answer"
OUTPUT_PANEL = "Output"

MAX_FRAME = 999_999_999  # as many digits as `#frame=N` has
MODEL_VARIABLE = "VIPLLAVA_MODEL"

# Option -> its name in version 0.1.0. The parser accepts the old name, and the help omits it.
OLD_NAMES = {"--out": "--output", "--transform": "--journey"}

# The options whose defaults `vipllava config` can set, by the names of their parameters. The model and
# its revision go together: `ModelOptions.chosen` reads them.
OPTION_KEYS = ("device", "dtype", "quantize", "attention", "template", "max_new_tokens")


def out_option(content: str, details: str = "", *, metavar: str = "FILE", panel: str = "") -> Any:
    """Define `-o/--out`: `Write CONTENT to METAVAR. DETAILS`."""
    return typer.Option(
        "-o",
        "--out",
        metavar=metavar,
        help=f"Write {content} to {metavar}. {details}".rstrip(),
        rich_help_panel=panel or OUTPUT_PANEL,
    )


def output_flag(help: str, *names: str) -> Any:
    """Define a flag of the output panel."""
    return typer.Option(*names, help=help, rich_help_panel=OUTPUT_PANEL)


Zoom = Annotated[
    bool,
    typer.Option("--zoom", help="Crop the image around the marks.", rich_help_panel=MARKS_PANEL),
]
Pick = Annotated[
    bool,
    typer.Option(
        "--pick", help="Draw marks with the mouse, in a window.", rich_help_panel=MARKS_PANEL
    ),
]
Force = Annotated[bool, output_flag("Overwrite an existing file.", "--force")]
CsvSafe = Annotated[
    bool,
    output_flag(
        "For spreadsheets: put ' before a CSV cell that begins with =, +, -, @, a tab or a return.",
        "--csv-safe",
    ),
]
Json = Annotated[bool, output_flag("Print JSON.", "--json")]
IMAGE_HELP = "Image file, http(s) address, clipboard:, or - for standard input."
ImageSource = Annotated[str, typer.Argument(help=IMAGE_HELP)]
Frame = Annotated[
    int | None,
    typer.Option(
        "--frame",
        metavar="N",
        min=1,
        max=MAX_FRAME,
        help="Frame of an animation, or page of a TIFF; the first is 1.",
    ),
]
ValueWindow = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="LOW,HIGH",
        help="Values shown as black and white in an image of more than 8 bits. (default: percentiles)",
    ),
]
Revision = Annotated[
    str | None,
    typer.Option(
        "--revision",
        metavar="REV",
        help="Branch, tag or commit on the Hugging Face Hub.",
        rich_help_panel=MODEL_PANEL,
    ),
]


# --- marks -----------------------------------------------------------------------------------


def _mark(metavar: str, help: str) -> Any:
    return typer.Option(metavar=metavar, help=help, rich_help_panel=MARKS_PANEL)


@dataclass(frozen=True, eq=False, repr=False)
class MarkOptions:
    """The marks on an image.

    `order` names the shape of each mark in the order of the command line. `command` fills it in.
    """

    box: Annotated[
        list[str] | None,
        _mark(
            "[COLOUR:]X1,Y1,X2,Y2",
            "Rectangle; X,Y,+W,+H is a corner and a size, 10% a percentage of the side.",
        ),
    ] = None
    ellipse: Annotated[
        list[str] | None, _mark("[COLOUR:]X1,Y1,X2,Y2", "Ellipse inside this rectangle.")
    ] = None
    arrow: Annotated[
        list[str] | None,
        _mark("[COLOUR:]X1,Y1,X2,Y2", "Arrow from tail to tip; X,Y alone is the tip."),
    ] = None
    point: Annotated[list[str] | None, _mark("[COLOUR:]X,Y", "Dot.")] = None
    triangle: Annotated[list[str] | None, _mark("[COLOUR:]X1,Y1,X2,Y2,X3,Y3", "Triangle.")] = None
    scribble: Annotated[
        list[str] | None, _mark("[COLOUR:]X1,Y1,X2,Y2,…", "Line through these points.")
    ] = None
    mask: Annotated[
        list[str] | None,
        _mark(
            "[COLOUR:]X1,Y1,…|FILE[:VALUE]",
            "Filled region: points, a black-and-white mask image, or a value of a label map.",
        ),
    ] = None
    contour: Annotated[
        list[str] | None,
        _mark(
            "[COLOUR:]X1,Y1,…|FILE[:VALUE]",
            "Outline of a region: points, a black-and-white mask image, or a value of a label map.",
        ),
    ] = None
    marks: Annotated[
        str | None, _mark("FILE", "JSON file of marks: a list of {shape, coords, color, …}.")
    ] = None
    units: Annotated[
        Units,
        _mark("|".join(Units), "Unit of bare numbers: pixels, percent, 0-1 or 0-1000."),
    ] = Units.px
    width: Annotated[
        float | None,
        _mark(
            "PIXELS",
            f"Line width, in pixels of the model's 336-pixel view. (default: {DEFAULT_WIDTH:g})",
        ),
    ] = None
    alpha: Annotated[
        float | None,
        _mark(
            "0-1",
            f"Opacity. (default: {SHAPES['box'].alpha:g}, masks {SHAPES['mask'].alpha:g})",
        ),
    ] = None
    numbers: Annotated[
        bool,
        typer.Option(
            "--numbers", help="Write 1, 2, 3 beside the marks.", rich_help_panel=MARKS_PANEL
        ),
    ] = False
    order: tuple[str, ...] = ()

    def specs(self) -> list["MarkSpec"]:
        """Parse the marks: those of the file, then those of the options. Raises InputError."""
        from vipllava_cli.marks.json_marks import read_marks_file
        from vipllava_cli.marks.parse import parse_mark

        values: dict[str, Iterator[str]] = {
            shape: iter(getattr(self, shape)) for shape in set(self.order)
        }
        specs = [] if self.marks is None else read_marks_file(self.marks, self.units.value)
        specs += [parse_mark(shape, next(values[shape]), self.units.value) for shape in self.order]
        return specs

    def style(self) -> "MarkStyle":
        """Return `--width` and `--alpha`. Raises InputError."""
        from vipllava_cli.marks.types import MarkStyle

        return MarkStyle(self.width, self.alpha)

    def files(self) -> list[str]:
        """Return the input files that the options name. Raises InputError."""
        from vipllava_cli.marks.mask_name import split_mask_name
        from vipllava_cli.marks.parse import parse_mark

        texts = (*(self.mask or ()), *(self.contour or ()))
        masks = (parse_mark("mask", text).file for text in texts)
        paths = (self.marks, *(mask and split_mask_name(mask).file for mask in masks))
        return [path for path in paths if path is not None]


# --- the model -------------------------------------------------------------------------------


def _model(help: str, *names: str, **settings: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=MODEL_PANEL, **settings)


class Quantize(StrEnum):
    """The values of `--quantize`. `none` overrides the user's default."""

    none = "none"
    int8 = Quantization.int8.value
    nf4 = Quantization.nf4.value


@dataclass(frozen=True, eq=False, repr=False)
class ModelOptions:
    """The model, its device and its precision."""

    model: Annotated[
        str | None,
        _model(
            "tiny (shipped), 7b, 13b, a Hugging Face name, a local folder, a server named with"
            " `vipllava models add`, or openai:MODEL. (default: the model set with `vipllava models"
            " use`, else tiny)",
            "-m",
            "--model",
            metavar="NAME",
            envvar=MODEL_VARIABLE,
            autocompletion=complete_models,
        ),
    ] = None
    revision: Revision = None
    device: Annotated[
        str,
        _model(
            "Device that runs the model: cuda takes all GPUs, cuda:1 only GPU 1.",
            metavar="auto|cpu|mps|cuda|cuda:N",
            parser=parse_device,
            autocompletion=complete_device,
        ),
    ] = AUTO_DEVICE
    dtype: Annotated[Dtype, _model("Precision of the weights.")] = Dtype.auto
    quantize: Annotated[
        Quantize,
        _model(
            "Quantize the decoder to 8 or 4 bits; nf4, and int8 on a GPU, need an extra package."
        ),
    ] = Quantize.none
    max_memory: Annotated[
        str | None,
        _model(
            "Memory limits of GPUs and CPU, like 0=8GiB,cpu=20GiB; other weights stay on disk.",
            metavar="SIZES",
        ),
    ] = None
    attention: Annotated[Attention, _model("Attention implementation.")] = Attention.auto

    def load_options(self) -> "LoadOptions":
        """Convert to the engine's load options. Raises UsageError."""
        from vipllava_cli.engine.hardware.load_options import LoadOptions, parse_max_memory

        return LoadOptions(
            device=self.device,
            dtype=self.dtype.value,
            quantize=None if self.quantize is Quantize.none else self.quantize.value,
            max_memory=None if self.max_memory is None else parse_max_memory(self.max_memory),
            attention=self.attention.value,
        )

    def chosen(self) -> "UserSettings":
        """Return the model of `--model` or VIPLLAVA_MODEL, else that of the settings file.

        `model` is None if none of them names one. Raises UsageError.
        """
        from vipllava_cli.storage.settings import UserSettings, read_settings

        if self.model:
            return UserSettings(self.model, self.revision)
        settings = read_settings()
        return UserSettings(settings.model, self.revision or settings.revision)


# --- the answer ------------------------------------------------------------------------------


def _answer(help: str, **settings: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=ANSWER_PANEL, **settings)


Choices = Annotated[
    str | None,
    _answer("Score these answers by their likelihood and return the likeliest.", metavar="A,B,…"),
]


_TEMPLATE = TemplateName(DEFAULT_TEMPLATE)


@dataclass(frozen=True, eq=False, repr=False)
class AnswerOptions:
    """The prompt template and the generation options."""

    template: Annotated[
        TemplateName, _answer("Prompt template: auto is human for ViP-LLaVA, chat for others.")
    ] = _TEMPLATE
    max_new_tokens: Annotated[
        int,
        _answer("Maximum length of an answer, in tokens.", metavar="N", min=1, max=MAX_NEW_TOKENS),
    ] = GREEDY.max_new_tokens
    temperature: Annotated[
        float,
        _answer(
            "Sampling temperature; 0 gives the same answer every time.",
            metavar="T",
            min=0.0,
            max=MAX_TEMPERATURE,
        ),
    ] = GREEDY.temperature
    top_p: Annotated[
        float,
        _answer(
            "Sample from the likeliest tokens with this total probability; needs --temperature.",
            metavar="P",
            min=MIN_TOP_P,
            max=1.0,
        ),
    ] = GREEDY.top_p
    seed: Annotated[
        int, _answer("Seed of the sampling; needs --temperature.", metavar="N", min=0, max=MAX_SEED)
    ] = GREEDY.seed

    def options(self, choices: str | None = None) -> GenerationOptions:
        """Convert to the engine's generation options. Raises UsageError for invalid choices."""
        from vipllava_cli.engine.prompts.choices import parse_choices

        try:
            scored = () if choices is None else parse_choices(choices)
        except InputError as error:
            raise UsageError(f"--choices: {error}") from None
        if scored and self.temperature > 0:
            raise UsageError("--choices scores answers without sampling: remove --temperature")
        return GenerationOptions(
            self.max_new_tokens, self.temperature, self.top_p, self.seed, scored
        )


# --- messages --------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False, repr=False)
class OutputOptions:
    """The messages on stderr."""

    quiet: Annotated[bool, output_flag("Hide notes and warnings.", "-q", "--quiet")] = False
    verbose: Annotated[bool, output_flag("Print more details.", "-v", "--verbose")] = False
    debug: Annotated[bool, output_flag("Print the traceback of an error.", "--debug")] = False

    def messages(self) -> "Messages":
        from vipllava_cli.cli.terminal.messages import Messages

        return Messages(self.quiet, self.verbose)
