"""The marked regions, enlarged beside their image: the style `crop`.

The regions are below a wide image, and at the right of any other: padding to a square would waste that
place. Each region has a frame in the colour of its mark, and a number if there are several.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageOps

from vipllava_cli.images.square import PADDING
from vipllava_cli.marks.numbers import paste_number
from vipllava_cli.marks.shape_table import MODEL_VIEW_SIDE
from vipllava_cli.marks.types import Mark

Size = tuple[int, int]  # width, height
Box = tuple[int, int, int, int]  # left, top, right, bottom

MAX_IMAGE_SIDE = 2048  # pixels of the complete image: regions are cut out before it shrinks
_MIN_IMAGE_SIDE = 336  # pixels: a smaller image is enlarged, so that its regions get pixels too
_PANEL = 0.5  # of the longer side: the depth of the strip of regions
_CONTEXT = 0.15  # of the longer side of a region: what is shown around it
_MIN_REGION = 0.05  # of the longer side of the image: around a point or a tiny region
_MAX_ENLARGED = 8.0  # a region of few pixels does not become clearer beyond this
_GAP = 4  # pixels of the model's 336-pixel view, between the parts
_FRAME = 2  # pixels of the model's 336-pixel view
_NUMBER = 16  # pixels of the model's 336-pixel view
_MAX_NUMBER = 0.3  # of the shorter side of an enlarged region


def is_below(size: Size) -> bool:
    """Return whether the regions of an image of this size are below it, else at its right."""
    return size[0] > size[1]


def region_around(mark: Mark, size: Size) -> Box:
    """Return the part of an image that shows a mark enlarged. The region of an arrow is at its tip."""
    left, top, right, bottom = mark.bounds
    if mark.shape == "arrow":
        (left, top) = (right, bottom) = mark.parts[0][-1]
    margin = max(right - left, bottom - top) * _CONTEXT
    least = max(size) * _MIN_REGION
    (x1, x2), (y1, y2) = (
        _widen(low - margin, high + margin, least, side)
        for low, high, side in ((left, right, size[0]), (top, bottom, size[1]))
    )
    return x1, y1, x2, y2


def _widen(low: float, high: float, least: float, side: int) -> tuple[int, int]:
    """Return whole pixels around a range, at least `least` of them, moved into the image."""
    missing = max(least - (high - low), 0) / 2
    length = min(math.ceil(high - low + 2 * missing), side)
    start = min(max(math.floor(low - missing), 0), side - length)
    return (start, start + length) if length > 0 else (start, start + 1)


def add_enlarged_regions(
    drawn: Image.Image, image: Image.Image, marks: Sequence[Mark], *, numbers: bool
) -> Image.Image:
    """Put the regions of the marks beside the marked image.

    `image` has the same size as `drawn`, and no marks: an enlarged region shows what is below them.
    """
    if not marks:
        return drawn
    regions = [image.crop(region_around(mark, image.size)) for mark in marks]
    whole_size = _whole_size(drawn.size)
    whole = (
        drawn if whole_size == drawn.size else drawn.resize(whole_size, Image.Resampling.LANCZOS)
    )
    layout = _lay_out(whole.size, [region.size for region in regions])
    canvas = Image.new("RGB", layout.size, PADDING)
    canvas.paste(whole, (0, 0))
    unit = max(whole.size) / MODEL_VIEW_SIDE
    frame = max(round(_FRAME * unit), 1)
    for number, (box, region, mark) in enumerate(zip(layout.boxes, regions, marks, strict=True), 1):
        left, top, right, bottom = box
        shown = region.convert("RGB").resize((right - left, bottom - top), Image.Resampling.LANCZOS)
        canvas.paste(ImageOps.expand(shown, frame, mark.color.rgb), (left - frame, top - frame))
        if numbers:
            paste_number(
                canvas, number, _NUMBER * unit, mark.color.rgb, (left - frame, top - frame)
            )
    return canvas


class ComposedSizes(NamedTuple):
    """The size of the complete image at the top left of the composed one, and that of the latter."""

    whole: Size
    composed: Size


def composed_sizes(size: Size, marks: Sequence[Mark]) -> ComposedSizes:
    """Return the sizes in what `add_enlarged_regions` makes of an image of this size."""
    if not marks:
        return ComposedSizes(size, size)
    parts = [region_around(mark, size) for mark in marks]
    regions = [(right - left, bottom - top) for left, top, right, bottom in parts]
    whole = _whole_size(size)
    return ComposedSizes(whole, _lay_out(whole, regions).size)


def _whole_size(size: Size) -> Size:
    """Return the size of the complete image at which the regions beside it get enough pixels."""
    longest = max(size)
    side = min(max(longest, _MIN_IMAGE_SIDE), MAX_IMAGE_SIDE)
    width, height = (max(round(length * side / longest), 1) for length in size)
    return (width, height) if side != longest else size


class _Layout(NamedTuple):
    """The size of the composed image, and the place of each region in it, without its frame."""

    size: Size
    boxes: Sequence[Box]


def _lay_out(whole: Size, regions: Sequence[Size]) -> _Layout:
    """Place regions in cells of a strip below a wide image, or at the right of another."""
    if not is_below(whole):
        turned = _lay_out_below((whole[1], whole[0]), [(h, w) for w, h in regions])
        boxes = [(top, left, bottom, right) for left, top, right, bottom in turned.boxes]
        return _Layout((turned.size[1], turned.size[0]), boxes)
    return _lay_out_below(whole, regions)


def _lay_out_below(whole: Size, regions: Sequence[Size]) -> _Layout:
    width, height = whole
    gap = max(round((_GAP + _FRAME) * width / MODEL_VIEW_SIDE), 2)
    # What the padding to a square would leave free costs no resolution.
    depth = max(round(width * _PANEL), width - height)
    best = max(
        (_fill_cells((width, depth), regions, rows, gap) for rows in range(1, len(regions) + 1)),
        key=lambda boxes: min(
            (box[2] - box[0]) * (box[3] - box[1]) for box in boxes
        ),  # the smallest region decides
    )
    boxes = [(left, top + height, right, bottom + height) for left, top, right, bottom in best]
    return _Layout((width, height + depth), boxes)


def _fill_cells(panel: Size, regions: Sequence[Size], rows: int, gap: int) -> list[Box]:
    """Centre each region in a cell of a grid, as large as it fits with its aspect ratio."""
    columns = math.ceil(len(regions) / rows)
    cell_width, cell_height = panel[0] / columns, panel[1] / rows
    boxes = []
    for at, (width, height) in enumerate(regions):
        room = max(cell_width - 2 * gap, 1), max(cell_height - 2 * gap, 1)
        scale = min(room[0] / width, room[1] / height, _MAX_ENLARGED)
        shown = max(round(width * scale), 1), max(round(height * scale), 1)
        left = round((at % columns + 0.5) * cell_width - shown[0] / 2)
        top = round((at // columns + 0.5) * cell_height - shown[1] / 2)
        boxes.append((left, top, left + shown[0], top + shown[1]))
    return boxes
