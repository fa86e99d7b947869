"""Find marked regions that are too small for the model to see."""

from vipllava_cli.engine.base import Engine
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.types import Mark


def find_small_mark(engine: Engine, marked_image: MarkedImage) -> Mark | None:
    """Find the first mark whose region is smaller than one patch in the model's view.

    Arrows and points mark no region, so they never count.
    """
    crop = marked_image.crop
    size = marked_image.file.size if crop is None else (crop[2] - crop[0], crop[3] - crop[1])
    patch = engine.info.patch_size * max(size) / engine.info.image_side  # in pixels of the image
    for mark in marked_image.marks:
        left, top, right, bottom = mark.bounds
        if mark.shape not in ("arrow", "point") and max(right - left, bottom - top) < patch:
            return mark
    return None
