"""The marks that an answer points at, for its record."""

from vipllava_cli.flows.pointing.answer_marks import (
    NO_MARKS,
    AnswerMarks,
    SeenImage,
    find_answer_marks,
)
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.storage.records import Request

_FIXED_ANSWERS = ("choices", "fields")  # options whose answers are texts of the user's choice


def find_record_marks(
    request: Request, answer: str, family: str, image_side: int | None = None
) -> AnswerMarks:
    """Find the marks of an answer to a request. `image_side` is that of `Answer`."""
    is_fixed = any(name in request.options for name in _FIXED_ANSWERS)
    if is_fixed or request.width is None or request.height is None:
        return NO_MARKS
    seen = SeenImage((request.width, request.height), request.crop, image_side)
    taken = (parse_color(str(mark["color"])) for mark in request.marks)
    return find_answer_marks(answer, family, seen, taken)
