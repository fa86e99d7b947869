"""Mark specs -> marks on an image of a known size. Every subcommand that draws uses this module."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from vipllava_cli.errors import InputError
from vipllava_cli.marks.coordinates import ResolvedMarks, reaches_outside, resolve_coordinates
from vipllava_cli.marks.declared_size import UPRIGHT, fit_to_image
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
    read_orientation: Callable[[], int] = lambda: UPRIGHT,
) -> ResolvedMarks:
    """Resolve specs to marks on an image of `size` (width, height).

    `style` supplies the width and opacity of specs without them. `existing` marks are already on the
    image: new marks avoid their colours, and notes count on from them. `read_orientation` returns the
    EXIF orientation of the image; only specs with a declared size and masks need it.

    Raises InputError for a mask or a declared size that does not fit, and for a mark that lies outside
    the image, has no area or touches no pixel.
    """
    # 1. Coordinates for an image of another size or orientation become those of this image.
    fitted = [fit_to_image(spec, size, read_orientation) for spec in specs]
    notes = dict.fromkeys(note for _, note in fitted if note)
    shares = dict.fromkeys(_SHARES_NOTE for spec in specs if _looks_like_shares(spec))
    # 2. Mask images become outlines.
    outlined, mask_notes = load_mask_outlines([spec for spec, _ in fitted], size, read_orientation)
    notes |= dict.fromkeys(mask_notes)
    # 3. The default width and opacity.
    styled = [_fill_style(spec, style) for spec in outlined]
    # 4. Colours, units, clipping.
    resolved = resolve_coordinates(styled, *size, existing=existing)
    # 5. A line around the image has bounds that include it, yet draws nothing.
    for mark in resolved.marks:
        _check_visible(mark, size)
    earlier = (*notes, *shares)
    return replace(resolved, notes=(*earlier, *resolved.notes)) if earlier else resolved


_MAX_SHARE = 1.001  # sums of rounded shares may exceed 1
_SHARES_NOTE = (
    "a mark lies within one pixel of the image's corner: if its coordinates are shares of the sides"
    " from 0 to 1, add --units unit"
)


def _looks_like_shares(spec: MarkSpec) -> bool:
    """Return whether coordinates in pixels look like shares of the sides."""
    values = [coordinate for part in spec.parts for coordinate in part]
    return all(value.scale is None and 0 <= value.value <= _MAX_SHARE for value in values) and any(
        value.value % 1 for value in values
    )


def _fill_style(spec: MarkSpec, style: MarkStyle) -> MarkSpec:
    if style == NO_STYLE:
        return spec
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
