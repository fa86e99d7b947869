"""Mark specs -> marks on an image of a known size. Every subcommand that draws uses this module."""

from collections.abc import Sequence
from dataclasses import replace

from vipllava_cli.errors import InputError
from vipllava_cli.marks.coordinates import ResolvedMarks, reaches_outside, resolve_coordinates
from vipllava_cli.marks.draw import is_visible
from vipllava_cli.marks.masks import load_mask_outlines
from vipllava_cli.marks.types import Mark, MarkSpec, MarkStyle

NO_STYLE = MarkStyle()


def resolve_marks(
    specs: Sequence[MarkSpec],
    size: tuple[int, int],
    *,
    style: MarkStyle = NO_STYLE,
    existing: Sequence[Mark] = (),
) -> ResolvedMarks:
    """Resolve specs to marks on an image of `size` (width, height).

    `style` supplies the width and opacity of specs without them. `existing` marks are already on the
    image: new marks avoid their colours, and notes count on from them.

    Raises InputError for a mask that does not fit, and for a mark that lies outside the image, has
    no area or touches no pixel.
    """
    # 1. Mask images become outlines.
    outlined = load_mask_outlines(specs, size)
    # 2. The default width and opacity.
    styled = [_fill_style(spec, style) for spec in outlined]
    # 3. Colours, units, clipping.
    resolved = resolve_coordinates(styled, *size, existing=existing)
    # 4. A line around the image has bounds that include it, yet draws nothing.
    for mark in resolved.marks:
        _check_visible(mark, size)
    return resolved


def _fill_style(spec: MarkSpec, style: MarkStyle) -> MarkSpec:
    return replace(
        spec,
        width=style.width if spec.width is None else spec.width,
        alpha=style.alpha if spec.alpha is None else spec.alpha,
    )


def _check_visible(mark: Mark, size: tuple[int, int]) -> None:
    if reaches_outside(mark, *size) and not is_visible(mark, *size):
        raise InputError(
            f"the {mark.color.name} {mark.shape} touches no pixel of the image: the image is"
            f" {size[0]}x{size[1]} pixels; give coordinates inside it"
        )
