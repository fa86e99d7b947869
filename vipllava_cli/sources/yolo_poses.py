"""Tell poses from outlines in YOLO label files without a `kpt_shape`."""

from collections.abc import Sequence
from statistics import median

_BOX = 4  # numbers: cx cy w h
_VISIBILITIES = (0, 1, 2)  # in labels; predictions have confidences from 0 to 1
_MIN_LABELLED, _MIN_PREDICTED = 2, 5  # keypoints
_SLACK = 0.02  # a share of the sides that a keypoint may lie outside its box
_MIN_STEP = (
    0.25  # of the range of all numbers; the points of a real outline follow each other closely
)


def pose_length(numbers: Sequence[float]) -> int | None:
    """Return how many numbers are a box and keypoints `x y visibility` inside it, or None.

    One number more may be the confidence, and two a confidence and a track.
    """
    for rest in (0, 1, 2):
        length = len(numbers) - rest
        count, remainder = divmod(length - _BOX, 3)
        if remainder or count < _MIN_LABELLED or not _are_inside(numbers[:length]):
            continue
        values = numbers[_BOX + 2 : length : 3]
        if any(numbers[_BOX:length]) and not any(values):
            continue  # an outline along the left or the top edge: keypoints without a place are 0 0 0
        if all(value in _VISIBILITIES for value in values):
            return length
        is_prediction = all(0 <= value <= 1 for value in values)
        if is_prediction and count >= _MIN_PREDICTED and not _is_smooth(numbers[:length]):
            return length
    return None


def _are_inside(numbers: Sequence[float]) -> bool:
    """Return whether the visible keypoints lie in the box, and the box in the image."""
    x, y, width, height = numbers[:_BOX]
    if max(abs(x - 0.5) + width / 2, abs(y - 0.5) + height / 2) > 0.5 + _SLACK:
        return False
    points = zip(numbers[_BOX::3], numbers[_BOX + 1 :: 3], numbers[_BOX + 2 :: 3], strict=True)
    return all(
        abs(px - x) <= width / 2 + _SLACK and abs(py - y) <= height / 2 + _SLACK
        for px, py, visibility in points
        if visibility
    )


def _is_smooth(numbers: Sequence[float]) -> bool:
    """Return whether the numbers may be the points x, y, x, y, … of an outline."""
    steps = [abs(after - before) for before, after in zip(numbers, numbers[2:], strict=False)]
    return median(steps) < _MIN_STEP * (max(numbers) - min(numbers))
