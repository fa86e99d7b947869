"""The settings of a batch, and what they and a row ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from vipllava_cli.engine.options import DEFAULT_TEMPLATE, GREEDY, GenerationOptions
from vipllava_cli.images.source import FIRST_FRAME, parse_source
from vipllava_cli.images.window import Window
from vipllava_cli.marks.resolve import NO_STYLE
from vipllava_cli.marks.types import MarkSpec, MarkStyle
from vipllava_cli.sources.rows import BadRow, Row

DEFAULT_QUESTION = "What is {1}?"
DEFAULT_QUESTION_UNMARKED = "Describe this image."


class OnConflict(Enum):
    """What a run does where the journal has an answer to another request under a row's id.

    `refuse` raises an error, `keep_both` gives the new answer an id of its own, `replace` drops the
    earlier answer.
    """

    refuse = auto()
    keep_both = auto()
    replace = auto()


@dataclass(frozen=True)
class BatchTask:
    """The settings of a run for every row.

    `model` is the model's name and revision. `questions` apply to rows without questions of their own.
    `marks` are drawn after the row's marks. `frame` is for images whose name chooses no frame, and
    `window` for images of more than 8 bits. `save_marked` is a folder for the marked images, or None.
    """

    model: tuple[str, str]
    questions: tuple[str, ...] = ()
    marks: tuple[MarkSpec, ...] = ()
    style: MarkStyle = NO_STYLE
    frame: int | None = None
    window: Window | None = None
    numbers: bool = False
    zoom: bool = False
    template: str = DEFAULT_TEMPLATE
    options: GenerationOptions = GREEDY
    save_marked: Path | None = None
    on_conflict: OnConflict = OnConflict.refuse

    def specs(self, row: Row) -> tuple[MarkSpec, ...]:
        """Return the marks of a row, those of the task last."""
        return (*row.marks, *self.marks)

    def frame_of(self, image: str) -> int:
        """Return the frame of an image that a row means."""
        return parse_source(image).frame or self.frame or FIRST_FRAME

    def default_question(self, row: Row) -> str | None:
        """Return the question for a row if neither the row nor the task has one."""
        if row.questions or self.questions:
            return None
        return DEFAULT_QUESTION if self.specs(row) else DEFAULT_QUESTION_UNMARKED

    def texts(self, row: Row | BadRow) -> Sequence[str]:
        """Return the questions of a row as typed. A row that cannot be read has one, empty text."""
        if isinstance(row, BadRow):
            return ("",) * max(len(self.questions), 1)
        default = self.default_question(row)
        return row.questions or self.questions or (str(default),)

    def row_options(self, row: Row | BadRow) -> GenerationOptions:
        """Return the options for a row: its own choices override those of the task."""
        choices = row.choices if isinstance(row, Row) else ()
        return replace(self.options, choices=choices) if choices else self.options


def columns_for_question(row: Row) -> Mapping[str, Any] | None:
    """Return what `{name}` in a question of the command line can refer to.

    Returns None for a row with questions of its own: their braces are text.
    """
    if row.questions:
        return None
    labels = [spec.label for spec in row.marks if spec.label]
    return {
        "id": row.id,
        "image": row.image,
        **({"label": labels[0]} if labels else {}),
        **row.extra,
    }
