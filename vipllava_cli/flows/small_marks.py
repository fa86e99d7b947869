"""Find marked regions that are too small for the model to see."""

from vipllava_cli.engine.base import ViewSize
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.marks.types import Mark


def find_small_mark(view: ViewSize | None, marked_image: MarkedImage) -> Mark | None:
    """Find the first mark whose region is smaller than one patch in the model's view.

    Arrows and points mark no region, so they never count. Without a view there is none, and with
    enlarged regions neither.
    """
    if view is None or marked_image.style is ReferenceStyle.crop:
        return None
    patch = (
        view.patch_size * max(marked_image.shown_size) / view.image_side
    )  # in pixels of the image
    for mark in marked_image.marks:
        left, top, right, bottom = mark.bounds
        if mark.shape not in ("arrow", "point") and max(right - left, bottom - top) < patch:
            return mark
    return None


def small_mark_note(view: ViewSize | None, marked_image: MarkedImage) -> str | None:
    """Return a note for the command line if a mark is too small for the model."""
    mark = find_small_mark(view, marked_image)
    if mark is None:
        return None
    advice = ": add --zoom" if marked_image.crop is None else ", even with --zoom"
    return (
        f"the {mark.color.name} {mark.shape} is smaller than one patch of the model's view{advice}"
    )
