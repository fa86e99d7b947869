"""The marks that an answer points at, for its record."""

from dataclasses import replace

from vipllava_cli.engine.base import ModelInfo
from vipllava_cli.engine.prompts.references import Reference
from vipllava_cli.engine.prompts.region_conventions import find_convention
from vipllava_cli.flows.pointing.answer_marks import (
    NO_MARKS,
    AnswerMarks,
    SeenImage,
    find_answer_marks,
)
from vipllava_cli.flows.pointing.find_regions import has_regions
from vipllava_cli.images.resized import fit_size
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.enlarged_regions import ComposedSizes, composed_sizes
from vipllava_cli.marks.recorded_marks import read_recorded_marks
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.marks.types import shift_mark
from vipllava_cli.storage.records import Request

_FIXED_ANSWERS = ("choices", "fields")  # options whose answers are texts of the user's choice


def find_record_marks(
    request: Request, answer: str, info: ModelInfo, image_side: int | None = None
) -> AnswerMarks:
    """Find the marks of an answer to a request. `image_side` is that of `Answer`."""
    is_fixed = any(name in request.options for name in _FIXED_ANSWERS)
    if is_fixed or request.width is None or request.height is None or not has_regions(answer):
        return NO_MARKS
    size = request.width, request.height
    sent = None if image_side is None else (image_side, image_side)
    composed = find_composed_sizes(request, size)
    seen = SeenImage(size, request.crop, sent, composed, info.pads_image)
    if sent is None:
        seen = _as_sent(seen, request, info)
    taken = (parse_color(str(mark["color"])) for mark in request.marks)
    return find_answer_marks(answer, info.family, seen, taken, info.size_limits)


def find_composed_sizes(request: Request, size: tuple[int, int]) -> ComposedSizes | None:
    """Return the sizes of an image with enlarged regions beside it; None for one without.

    `size` is that of the upright image.
    """
    if request.mark_style != ReferenceStyle.crop:
        return None
    left, top, right, bottom = request.crop or (0, 0, *size)
    marks = [shift_mark(mark, -left, -top) for mark in read_recorded_marks(request.marks, size)]
    return composed_sizes((right - left, bottom - top), marks)


def _as_sent(seen: SeenImage, request: Request, info: ModelInfo) -> SeenImage:
    """Add the size of an image that was resized for a model that counts its pixels."""
    style = ReferenceStyle(request.mark_style or ReferenceStyle.drawn)
    convention = find_convention(info.family, info.size_limits) if style.writes_places else None
    limits = Reference(style, convention).size_limits
    if limits is None:
        return seen
    return replace(seen, sent=fit_size(seen.sent_size, limits))
