"""The output of `vipllava batch --dry-run`."""

import sys
from collections import Counter
from collections.abc import Iterable

from vipllava_cli.cli.terminal.image import can_show, show
from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.cli.terminal.progress import NoteDisplay
from vipllava_cli.errors import short_name
from vipllava_cli.flows.batch.image_notes import ImageNotes
from vipllava_cli.flows.batch.notes import RowNotes
from vipllava_cli.flows.batch.plan import PlannedQuestion, PlannedRow

FAILED = "would fail"


def print_plan(rows: Iterable[PlannedRow], messages: Messages) -> int:
    """Print one line per question: its state, id and text or error. Show the first marked image.

    Returns the number of questions that would fail.
    """
    is_shown, counts = not can_show(), Counter[str]()
    display = NoteDisplay(messages, holds=True)
    notes, kinds = RowNotes(display.note), ImageNotes()
    for row in rows:
        for question in row.questions:
            state = _state(question)
            counts[state] += 1
            text = str(question.error or question.request.question)
            id = short_name(one_line(question.request.id))
            sys.stdout.write(f"{state}\t{id}\t{one_line(text)}\n")
        notes.send(row)
        if row.marked_image:
            kinds.add(row.marked_image.file)
        if row.marked_image and not is_shown:
            show(row.marked_image.drawn())
            is_shown = True
    display.finish()
    for line in kinds.lines():
        messages.note(line)
    messages.say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no rows")
    return counts[FAILED]


def _state(question: PlannedQuestion) -> str:
    if question.error:
        return FAILED
    if question.replaces_answer:
        return "would replace"
    if question.copied_record:
        return "would copy"
    return "would ask" if question.is_pending else "kept"
