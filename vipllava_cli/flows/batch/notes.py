"""The notes about the rows of a batch."""

import re
from collections.abc import Callable

from vipllava_cli.flows.batch.plan import PlannedRow
from vipllava_cli.marks.colors import NAMED_COLORS
from vipllava_cli.marks.shape_table import SHAPES


class RowNotes:
    """Sends the notes of rows to `note`, a function of an id and a text.

    The note about a default question comes once for each question.
    """

    def __init__(self, note: Callable[[str, str], None]) -> None:
        self._note = note
        self._noted_defaults: set[str] = set()

    def send(self, planned: PlannedRow) -> None:
        """Send the notes of a row."""
        for note in planned.notes:
            self._note(planned.id, note)
        default = planned.default_question
        if planned.has_pending and default and default not in self._noted_defaults:
            self._noted_defaults.add(default)
            text = f'no question given, asking "{default}": --question asks another one'
            self._note(planned.id, text)


_DETAILS = re.compile(
    r"\S+\.\w{{1,5}}\b|\d+(?:\.\d+)?|\b(?:{})\b".format(
        "|".join([color.name for color in reversed(NAMED_COLORS)] + list(SHAPES))
    )
)


def note_kind(text: str) -> str:
    """Return a note without its file names, numbers, colours and shapes: equal for one kind."""
    return _DETAILS.sub("…", text)
