"""The output of `vipllava batch --dry-run`."""

import sys
from collections import Counter
from collections.abc import Iterable

from vipllava_cli.cli.terminal.image import can_show, show
from vipllava_cli.cli.terminal.messages import Messages, one_line
from vipllava_cli.flows.batch.plan import PlannedQuestion, PlannedRow


def print_plan(rows: Iterable[PlannedRow], messages: Messages) -> None:
    """Print one line per question: its state, id and text or error. Show the first marked image."""
    is_shown, counts = not can_show(), Counter[str]()
    for row in rows:
        for question in row.questions:
            state = _state(question)
            counts[state] += 1
            text = str(question.error or question.request.question)
            sys.stdout.write(f"{state}\t{one_line(question.request.id)}\t{one_line(text)}\n")
        if row.marked_image and not is_shown:
            show(row.marked_image.drawn())
            is_shown = True
    messages.say(", ".join(f"{count} {state}" for state, count in counts.items()) or "no rows")


def _state(question: PlannedQuestion) -> str:
    if question.error:
        return "failed"
    return "asked" if question.is_pending else "kept"
