"""Find the place for the number of a region on the region itself."""

import math

import cv2
import numpy as np

from vipllava_cli.marks.number_layout import Anchor
from vipllava_cli.marks.types import Mark

_SIDE = 128  # pixels: the side of a small copy of the mark, in which the search runs


def find_anchor(mark: Mark, clearance: float) -> Anchor | None:
    """Return the centre of the number on a region: its highest point with `clearance` pixels around.

    The number of an arrow is behind its tail, where it does not cover what the arrow points to. Returns
    None for a box, whose corners are best, and for marks that enclose no region.
    """
    if mark.shape == "arrow":
        (x1, y1), (x2, y2) = mark.parts[0]
        behind = clearance / max(math.hypot(x1 - x2, y1 - y2), 1e-6)
        return Anchor(x1 + (x1 - x2) * behind, y1 + (y1 - y2) * behind, needs_room=False)
    if mark.shape not in ("ellipse", "triangle", "mask", "contour"):
        return None
    left, top, right, bottom = mark.bounds
    scale = _SIDE / max(right - left, bottom - top, 1e-6)
    filled = _fill(mark, scale)
    depth = cv2.distanceTransform(filled, cv2.DIST_L2, 5)
    wanted = min(clearance * scale, float(depth.max()))
    row, column = np.argwhere(depth >= wanted)[0]
    across = np.flatnonzero(depth[row] >= wanted)
    column = across[len(across) // 2]
    return Anchor(left + (column - 1) / scale, top + (row - 1) / scale, needs_room=True)


def _fill(mark: Mark, scale: float) -> "np.ndarray[tuple[int, int], np.dtype[np.uint8]]":
    """Fill the region on a small copy, with one pixel of margin."""
    left, top, right, bottom = mark.bounds
    parts = mark.parts
    if mark.shape == "ellipse":
        angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
        xs = (left + right) / 2 + (right - left) / 2 * np.cos(angles)
        ys = (top + bottom) / 2 + (bottom - top) / 2 * np.sin(angles)
        parts = (tuple(zip(xs.tolist(), ys.tolist(), strict=True)),)
    corner = np.array((left, top))
    outlines = [np.round((np.array(part) - corner) * scale).astype(np.int32) + 1 for part in parts]
    filled = np.zeros((_SIDE + 3, _SIDE + 3), np.uint8)
    cv2.fillPoly(filled, outlines, 1)  # by the even-odd rule: a part inside another is a hole
    return filled
