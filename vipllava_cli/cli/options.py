"""The flags that several subcommands share, in groups that are handed over filled in."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vipllava_cli.errors import InputError, UsageError

if TYPE_CHECKING:  # these pull in Pillow, which `--help` does not need
    from vipllava_cli.cli.terminal.messages import Messages
    from vipllava_cli.engine.base import GenerationOptions
    from vipllava_cli.engine.hardware.load_options import LoadOptions
    from vipllava_cli.marks.types import MarkSpec, MarkStyle
    from vipllava_cli.storage.settings import UserSettings

MARKS_PANEL = "Marks (repeatable; drawn in the order given)"
MODEL_PANEL = "Model"
ANSWER_PANEL = "Answer"
OUTPUT_PANEL = "Output"


class Units(StrEnum):
    """What a bare coordinate counts."""

    px = "px"
    percent = "percent"
    unit = "unit"
    thousand = "thousand"


class TemplateName(StrEnum):
    """The forms of prompt."""

    human = "human"
    vicuna = "vicuna"
    chat = "chat"


class Device(StrEnum):
    """Where to run."""

    auto = "auto"
    cuda = "cuda"
    mps = "mps"
    cpu = "cpu"


class Dtype(StrEnum):
    """How precisely to run."""

    auto = "auto"
    bf16 = "bf16"
    fp16 = "fp16"
    fp32 = "fp32"


class Attention(StrEnum):
    """How attention is computed."""

    auto = "auto"
    sdpa = "sdpa"
    flash = "flash"
    eager = "eager"


class Quantize(StrEnum):
    """How decoder layers are kept in fewer bits."""

    int8 = "int8"
    nf4 = "nf4"


def _mark(metavar: str, help: str) -> Any:
    return typer.Option(metavar=metavar, help=help, rich_help_panel=MARKS_PANEL)


@dataclass(frozen=True)
class MarkOptions:
    """`order` names the shape of each mark in the order in which the flags were typed."""

    box: Annotated[
        list[str] | None,
        _mark(
            "[COLOUR:]X1,Y1,X2,Y2", "A rectangle; X,Y,+W,+H gives a size, % a share of the side."
        ),
    ] = None
    ellipse: Annotated[
        list[str] | None, _mark("[COLOUR:]X1,Y1,X2,Y2", "An ellipse within these corners.")
    ] = None
    arrow: Annotated[
        list[str] | None,
        _mark("[COLOUR:]X1,Y1,X2,Y2", "An arrow from tail to tip; X,Y alone is the tip."),
    ] = None
    point: Annotated[list[str] | None, _mark("[COLOUR:]X,Y", "A dot.")] = None
    triangle: Annotated[list[str] | None, _mark("[COLOUR:]X1,Y1,X2,Y2,X3,Y3", "A triangle.")] = None
    scribble: Annotated[
        list[str] | None, _mark("[COLOUR:]X1,Y1,X2,Y2,…", "A line through these points.")
    ] = None
    mask: Annotated[
        list[str] | None, _mark("[COLOUR:]X1,Y1,…|FILE", "A filled region, or a mask image.")
    ] = None
    contour: Annotated[
        list[str] | None, _mark("[COLOUR:]X1,Y1,…|FILE", "A region's outline, or a mask image.")
    ] = None
    marks: Annotated[
        str | None, _mark("FILE", "Marks as JSON: a list of {shape, coords, color, …}.")
    ] = None
    units: Annotated[Units, _mark("px|percent|unit|thousand", "What a bare number counts.")] = (
        Units.px
    )
    width: Annotated[
        float | None, _mark("PIXELS", "Line width in the model's 336-pixel view. (default: 3)")
    ] = None
    alpha: Annotated[
        float | None, _mark("0-1", "Opacity of the marks. (default: 1, masks 0.5)")
    ] = None
    numbers: Annotated[
        bool,
        typer.Option(
            "--numbers", help="Write 1, 2, 3 beside the marks.", rich_help_panel=MARKS_PANEL
        ),
    ] = False
    order: tuple[str, ...] = ()

    def specs(self) -> list["MarkSpec"]:
        """The marks as typed: those of the file, then those of the flags. Raises InputError."""
        from vipllava_cli.marks.parse import parse_mark, read_marks_file

        typed: dict[str, Iterator[str]] = {
            shape: iter(getattr(self, shape)) for shape in set(self.order)
        }
        specs = [] if self.marks is None else read_marks_file(self.marks, self.units.value)
        specs += [parse_mark(shape, next(typed[shape]), self.units.value) for shape in self.order]
        return specs

    def style(self) -> "MarkStyle":
        """Return `--width` and `--alpha`. Raises InputError."""
        from vipllava_cli.marks.types import MarkStyle

        return MarkStyle(self.width, self.alpha)

    def files(self) -> list[str]:
        """The files that the flags name, to read marks from. Raises InputError."""
        from vipllava_cli.marks.parse import parse_mark

        masks = (*(self.mask or ()), *(self.contour or ()))
        named = (self.marks, *(parse_mark("mask", text).file for text in masks))
        return [name for name in named if name is not None]


def _model(help: str, **more: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=MODEL_PANEL, **more)


@dataclass(frozen=True)
class ModelOptions:
    """Which model, where and how precisely."""

    model: Annotated[
        str | None,
        _model(
            "tiny (shipped), 7b, 13b, a hub name or a folder. (default: what `vipllava models use`"
            " chose, or tiny)",
            metavar="NAME",
            envvar="VIPLLAVA_MODEL",
        ),
    ] = None
    revision: Annotated[str | None, _model("The hub's branch, tag or commit.", metavar="REV")] = (
        None
    )
    device: Annotated[Device, _model("Where to run.")] = Device.auto
    dtype: Annotated[Dtype, _model("How precisely to run.")] = Dtype.auto
    quantize: Annotated[
        Quantize | None,
        _model("Keep the decoder in 8 or 4 bits. nf4, and int8 on a GPU, need extras."),
    ] = None
    max_memory: Annotated[
        str | None,
        _model(
            "What may be taken, like 0=8GiB,cpu=20GiB; the rest stays on disk.", metavar="SIZES"
        ),
    ] = None
    attention: Annotated[Attention, _model("How attention is computed.")] = Attention.auto

    def load_options(self) -> "LoadOptions":
        """Where and how precisely to run. Raises UsageError."""
        from vipllava_cli.engine.hardware.load_options import LoadOptions, parse_max_memory

        return LoadOptions(
            device=self.device.value,
            dtype=self.dtype.value,
            quantize=self.quantize and self.quantize.value,
            max_memory=None if self.max_memory is None else parse_max_memory(self.max_memory),
            attention=self.attention.value,
        )

    def chosen(self) -> "UserSettings":
        """The model of the flag or of the variable, else that of the settings; None when nobody chose.
        Raises UsageError.
        """
        from vipllava_cli.storage.settings import UserSettings, read_settings

        if self.model:
            return UserSettings(self.model, self.revision)
        settings = read_settings()
        return UserSettings(settings.model, self.revision or settings.revision)


def _answer(help: str, **more: Any) -> Any:
    return typer.Option(help=help, rich_help_panel=ANSWER_PANEL, **more)


Choices = Annotated[
    str | None,
    _answer(
        "Say how likely each of these answers is, and answer with the likeliest.", metavar="A,B,…"
    ),
]


@dataclass(frozen=True)
class AnswerOptions:
    """How an answer is made."""

    template: Annotated[TemplateName, _answer("The form of the prompt.")] = TemplateName.human
    max_new_tokens: Annotated[int, _answer("Longest answer, in tokens.", metavar="N", min=1)] = 256
    temperature: Annotated[
        float, _answer("0 is greedy: the same answer each time.", metavar="T", min=0.0, max=100.0)
    ] = 0.0
    top_p: Annotated[
        float,
        _answer("With a temperature: sample from this share.", metavar="P", min=0.01, max=1.0),
    ] = 1.0
    seed: Annotated[
        int, _answer("With a temperature: repeat an answer.", metavar="N", min=0, max=2**32 - 1)
    ] = 0

    def options(self, choices: str | None = None) -> "GenerationOptions":
        """Raises UsageError for choices that are none."""
        from vipllava_cli.engine.base import GenerationOptions
        from vipllava_cli.engine.prompts.choices import parse_choices

        try:
            scored = () if choices is None else parse_choices(choices)
        except InputError as error:
            raise UsageError(f"--choices: {error}") from None
        if scored and self.temperature > 0:
            raise UsageError("--choices are weighed, not sampled: leave out --temperature")
        return GenerationOptions(
            self.max_new_tokens, self.temperature, self.top_p, self.seed, scored
        )


@dataclass(frozen=True)
class OutputOptions:
    """What is said beside the answer."""

    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="No notes.", rich_help_panel=OUTPUT_PANEL)
    ] = False
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="More notes.", rich_help_panel=OUTPUT_PANEL)
    ] = False
    debug: Annotated[
        bool, typer.Option("--debug", help="A traceback with errors.", rich_help_panel=OUTPUT_PANEL)
    ] = False

    def messages(self) -> "Messages":
        from vipllava_cli.cli.terminal.messages import Messages

        return Messages(self.quiet, self.verbose)
