"""The option `--mark-style`: its values in `ask`, `batch` and `chat`, and in `annotate`."""

from enum import StrEnum
from typing import Annotated

import typer

from vipllava_cli.cli.options import MARKS_PANEL
from vipllava_cli.marks.reference_style import AUTO, ReferenceStyle


class MarkStyleName(StrEnum):
    """The values of `--mark-style` where a model answers."""

    auto = AUTO
    drawn = ReferenceStyle.drawn.value
    numbered = ReferenceStyle.numbered.value
    coordinates = ReferenceStyle.coordinates.value
    coordinates_drawn = ReferenceStyle.coordinates_drawn.value
    crop = ReferenceStyle.crop.value


MarkStyleOption = Annotated[
    MarkStyleName,
    typer.Option(
        "--mark-style",
        help="How a question refers to a mark: by its colour and shape, by a number on it, by its"
        " coordinates in the text, or by an enlarged region beside the image; auto: the default of"
        " the model's family.",
        rich_help_panel=MARKS_PANEL,
    ),
]


class DrawnStyle(StrEnum):
    """The styles that an image alone can show."""

    drawn = ReferenceStyle.drawn.value
    numbered = ReferenceStyle.numbered.value
    crop = ReferenceStyle.crop.value


DrawnStyleOption = Annotated[
    DrawnStyle,
    typer.Option(
        "--mark-style",
        help="How the image shows the marks: drawn, with a number on each, or with each region"
        " enlarged beside the image.",
        rich_help_panel=MARKS_PANEL,
    ),
]
