"""The settings of a batch, and what they and a row ask."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from pathlib import Path
from typing import Any

from vipllava_cli.engine.base import ViewSize
from vipllava_cli.engine.options import GREEDY, VIPLLAVA_TEMPLATE, GenerationOptions
from vipllava_cli.engine.prompts.references import DRAWN, Reference
from vipllava_cli.flows.fields.wording import fields_question
from vipllava_cli.images.source import FIRST_FRAME, parse_source, record_name
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
    `window` for images of more than 8 bits. `save_marked` is a folder for the marked images, or None;
    with `replaces_marked`, they replace files of the same names that no run made. With `view_size`, rows
    with regions too small for the model get a note. `reference` is how questions refer to the marks.
    `template` is as in records, never `auto`. `notes_rows` is false for rows that the program made, whose
    questions name absent marks on purpose.
    """

    model: tuple[str, str]
    questions: tuple[str, ...] = ()
    marks: tuple[MarkSpec, ...] = ()
    style: MarkStyle = NO_STYLE
    frame: int | None = None
    window: Window | None = None
    numbers: bool = False
    zoom: bool = False
    template: str = VIPLLAVA_TEMPLATE
    options: GenerationOptions = GREEDY
    save_marked: Path | None = None
    replaces_marked: bool = False
    on_conflict: OnConflict = OnConflict.refuse
    view_size: ViewSize | None = None
    reference: Reference = DRAWN
    notes_rows: bool = True

    def specs(self, row: Row) -> tuple[MarkSpec, ...]:
        """Return the marks of a row, those of the task last."""
        return (*row.marks, *self.marks)

    def frame_of(self, image: str) -> int:
        """Return the frame of an image that a row means."""
        return parse_source(image).frame or self.frame or FIRST_FRAME

    def default_question(self, row: Row) -> str | None:
        """Return the question for a row if neither the row nor the task has one."""
        if row.questions or self.questions or self.options.fields:
            return None
        return DEFAULT_QUESTION if self.specs(row) else DEFAULT_QUESTION_UNMARKED

    def texts(self, row: Row | BadRow) -> Sequence[str]:
        """Return the questions of a row as typed. A row that cannot be read has one, empty text."""
        if isinstance(row, BadRow):
            return ("",) * max(len(self.questions), 1)
        if self.options.fields:
            return (fields_question(self.options.fields, has_marks=bool(self.specs(row))),)
        default = self.default_question(row)
        return row.questions or self.questions or (str(default),)

    def row_options(self, row: Row | BadRow) -> GenerationOptions:
        """Return the options for a row: its own choices override those of the task, but no fields."""
        choices = row.choices if isinstance(row, Row) and not self.options.fields else ()
        return replace(self.options, choices=choices) if choices else self.options

    def unused_note(self, row: Row) -> str | None:
        """Return a note about a question or choices of the row that fields replace."""
        names = [name for name in ("questions", "choices") if getattr(row, name)]
        if not names or not self.options.fields:
            return None
        return f"the fields replace the {' and the '.join(names)} of the row"

    def columns(self, row: Row) -> Mapping[str, Any] | None:
        """Return what `{name}` in a question of the command line can refer to.

        Returns None for a row that is asked questions of its own: their braces are text.
        """
        if row.questions and not self.options.fields:
            return None
        labels = [spec.label for spec in row.marks if spec.label]
        return {
            "id": row.id,
            "image": record_name(row.image),
            **({"label": labels[0]} if labels else {}),
            **row.extra,
        }
