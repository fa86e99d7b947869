"""The regions of an answer -> marks in pixels of the upright image.

A region whose place is uncertain becomes no mark: a wrong mark is worse than none.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from vipllava_cli.engine.prompts.region_conventions import (
    Notation,
    RegionConvention,
    Unit,
    find_convention,
)
from vipllava_cli.engine.prompts.region_units import to_pixels
from vipllava_cli.errors import short_repr
from vipllava_cli.flows.pointing.find_regions import find_regions
from vipllava_cli.flows.pointing.regions import (
    POINT,
    PROSE,
    TextRegion,
    Written,
)
from vipllava_cli.images.resized import SizeLimits
from vipllava_cli.images.square import SentPlace, place_for_model
from vipllava_cli.marks.colors import Color, unused_colors
from vipllava_cli.marks.enlarged_regions import ComposedSizes
from vipllava_cli.marks.types import Mark
from vipllava_cli.storage.counts import count_noun

Box = tuple[float, float, float, float]

_SLACK = 0.02  # of the model's image: how far beyond its edge a number may be
_MIN_BARE_SIDE = (
    0.01  # of the model's image: the smallest side of a box of four whole numbers in prose
)
_MIN_SIDE = 0.01  # pixels: records round to thousandths

_WHOLE_UNITS = (Unit.THOUSANDTHS, Unit.LOC_BINS, Unit.RESIZED_PIXELS)
_UNITS_IN_PROSE = (
    Unit.THOUSANDTHS,
    Unit.RESIZED_PIXELS,
    Unit.FRACTIONS,
    Unit.SQUARE_FRACTIONS,
)


@dataclass(frozen=True)
class SeenImage:
    """What a model saw of an upright image of `size` (width, height).

    `crop` is the part that it saw, None for all of it. `sent` is the size of the image that was sent;
    None if it is that of the part, padded to a square if `is_padded`. `composed` are the sizes of a part
    that has enlarged regions beside it.
    """

    size: tuple[int, int]
    crop: tuple[int, int, int, int] | None = None
    sent: tuple[int, int] | None = None
    composed: ComposedSizes | None = None
    is_padded: bool = True

    @property
    def part(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what the model saw, in pixels of the upright image."""
        return self.crop or (0, 0, *self.size)

    @cached_property
    def _sizes(self) -> ComposedSizes:
        left, top, right, bottom = self.part
        size = right - left, bottom - top
        return self.composed or ComposedSizes(size, size)

    @cached_property
    def _place(self) -> SentPlace:
        return place_for_model(self._sizes.composed, is_padded=self.is_padded)

    @property
    def sent_size(self) -> tuple[int, int]:
        """The width and height of the image that was sent, in pixels."""
        return self.sent or self._place.frame

    def corners(self, place: Sequence[float]) -> list[tuple[float, float]]:
        """Convert x, y, x, y, … of the image that was sent to points of the upright image."""
        whole, frame, sent = self._sizes.whole, self._place.frame, self.sent_size
        left, top, right, bottom = self.part
        inside = self._place.to_original(
            [value * frame[at % 2] / sent[at % 2] for at, value in enumerate(place)]
        )
        scales = (right - left) / whole[0], (bottom - top) / whole[1]
        return [
            (left + x * scales[0], top + y * scales[1])
            for x, y in zip(inside[::2], inside[1::2], strict=True)
        ]


@dataclass(frozen=True)
class AnswerMarks:
    """The marks that an answer points at. `note` says why regions of it are no marks, or is empty."""

    marks: tuple[Mark, ...] = ()
    note: str = ""


NO_MARKS = AnswerMarks()


def find_answer_marks(
    answer: str,
    family: str,
    seen: SeenImage,
    taken: Iterable[Color] = (),
    limits: SizeLimits | None = None,
) -> AnswerMarks:
    """Find the marks of an answer of a model family. `family` and `limits` are those of `ModelInfo`.

    Their colours differ from `taken`, the colours of the marks on the image.
    """
    regions = find_regions(answer)
    if not regions:
        return NO_MARKS
    known = find_convention(family, limits)
    found = [_find_place(region, known, seen) for region in regions]
    places = [() if place is _BESIDE else place for place in found]
    colors = unused_colors(taken)
    marks = tuple(
        Mark("point" if len(place) == 1 else "box", (place,), next(colors), label=region.label)
        for region, place in zip(regions, places, strict=True)
        if place
    )
    return AnswerMarks(marks, _note(regions, found, known, family))


Place = tuple[tuple[float, float], ...]  # the two corners of a box, a point, or nothing
_BESIDE: Place = ((math.nan, math.nan),)  # around an enlarged region, beside the image


def _find_place(region: TextRegion, known: RegionConvention | None, seen: SeenImage) -> Place:
    """Return the corners of a region on the upright image; empty if they are not certain, or _BESIDE."""
    convention = _convention(region.written, known)
    if convention is None or not region.numbers or _is_other_unit(region, convention):
        return ()
    sent = seen.sent_size
    place = to_pixels(region.numbers, sent, convention)
    shares = [value / sent[at % 2] for at, value in enumerate(place)]
    if not all(-_SLACK <= share <= 1 + _SLACK for share in shares):
        return ()
    is_bare = region.written is PROSE and convention.unit in _WHOLE_UNITS
    if is_bare and min(shares[2] - shares[0], shares[3] - shares[1]) < _MIN_BARE_SIDE:
        return ()
    corners = seen.corners(place)
    is_beside = seen.composed is not None and _is_centred_outside(corners, seen.part)
    return _BESIDE if is_beside else _clip(corners, seen.part)


def _convention(written: Written, known: RegionConvention | None) -> RegionConvention | None:
    """Return how the numbers of a region count; None if that is unknown."""
    if written.is_own or known is None:
        return None if written.unit is None else _own_convention(written)
    if written is PROSE and known.unit not in _UNITS_IN_PROSE:
        return None
    return replace(known, order=written.order) if written.is_named else known


def _own_convention(written: Written) -> RegionConvention:
    assert written.unit is not None  # noqa: S101 - the caller checks it
    nothing = re.compile(r"(?!)")
    return RegionConvention(
        written.name, written.unit, Notation.BRACKETS, nothing, (), "", written.order
    )


def _is_other_unit(region: TextRegion, convention: RegionConvention) -> bool:
    """Return whether the numbers are plainly of another unit: fractions, or no fractions in prose."""
    numbers = region.numbers
    has_fraction = any(value % 1 for value in numbers)
    if convention.unit in _WHOLE_UNITS:
        return has_fraction and all(0 <= value <= 1 for value in numbers)
    is_bare = region.written is PROSE
    return is_bare and not has_fraction


def _is_centred_outside(corners: Sequence[tuple[float, float]], part: Box) -> bool:
    x, y = (sum(each) / len(corners) for each in zip(*corners, strict=True))
    return not (part[0] <= x <= part[2] and part[1] <= y <= part[3])


def _clip(corners: Sequence[tuple[float, float]], part: Box) -> Place:
    """Sort the corners and clip them to a part of the image. Empty if nothing is left."""
    left, top, right, bottom = part
    if 2 * len(corners) == POINT:
        [(x, y)] = corners
        slack = max(_SLACK * max(right - left, bottom - top), 1)
        is_near = left - slack <= x <= right + slack and top - slack <= y <= bottom + slack
        return ((_within(x, left, right), _within(y, top, bottom)),) if is_near else ()
    xs = sorted(_within(x, left, right) for x, _ in corners)
    ys = sorted(_within(y, top, bottom) for _, y in corners)
    if min(xs[1] - xs[0], ys[1] - ys[0]) < _MIN_SIDE:
        return ()
    return (xs[0], ys[0]), (xs[1], ys[1])


def _within(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _note(
    read: Sequence[TextRegion],
    found: Sequence[Place],
    known: RegionConvention | None,
    family: str,
) -> str:
    """Say why regions are no marks. Bare numbers may be anything, and are not mentioned."""
    written = [
        (region, place)
        for region, place in zip(read, found, strict=True)
        if region.written is not PROSE
    ]
    lost = [(region, place) for region, place in written if not place or place is _BESIDE]
    if not lost:
        return ""
    if all(place is _BESIDE for _, place in lost):
        return (
            f"the answer points at an enlarged copy beside the image ({count_noun(len(lost), 'region')}):"
            " that becomes no mark; --mark-style drawn sends no copies"
        )
    unread = [region for region, _ in lost]
    if all(_convention(region.written, known) is None for region in unread):
        return (
            f"the answer has {count_noun(len(unread), 'region')} in coordinates, and {short_repr(family)}"
            " is of no model family whose coordinates are known: they become no marks"
        )
    if len(unread) == len(written) == 1:
        return "the region in the answer is not on the image, or is unreadable: it becomes no mark"
    return (
        f"{len(unread)} of {len(written)} regions in the answer are not on the image, or are"
        " unreadable: they become no marks"
    )
