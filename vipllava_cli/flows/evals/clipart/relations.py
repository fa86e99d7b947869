"""Spatial relations between the objects of a scene."""

import math
from collections.abc import Mapping, Sequence

from vipllava_cli.flows.evals.clipart.scenes import MarkedScene, Placement

# Unit step in image coordinates: x to the right, y down.
DIRECTIONS: Mapping[str, tuple[int, int]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}


# An object is a clear neighbour if its offset along the direction exceeds that across it by this ratio,
_MIN_STRAIGHTNESS = 1.2
# and if the next candidate is farther away by this ratio.
_MIN_DISTANCE_RATIO = 1.1


def neighbor(placements: Sequence[Placement], number: int, direction: str) -> int | None:
    """Find the nearest object in a direction.

    Returns the object's number, or None if there is no clear neighbour.
    """
    x, y = placements[number].center
    step_x, step_y = DIRECTIONS[direction]
    candidates: list[tuple[float, float, int]] = []
    for other, placement in enumerate(placements):
        dx, dy = placement.center[0] - x, placement.center[1] - y
        along = dx * step_x + dy * step_y
        across = abs(dx * step_y) + abs(dy * step_x)
        if other != number and along * _MIN_STRAIGHTNESS > across:
            candidates.append((math.hypot(dx, dy), along / max(across, 1e-6), other))
    if not candidates:
        return None
    (distance, straightness, nearest), *others = sorted(candidates)
    is_clear = straightness > _MIN_STRAIGHTNESS and (
        not others or others[0][0] > distance * _MIN_DISTANCE_RATIO
    )
    return nearest if is_clear else None


def marked_neighbors(marked: MarkedScene, direction: str) -> dict[int, int]:
    """Map the number of each mark to the number of its object's neighbour in a direction.

    Each neighbour occurs once: with the first mark that has it.
    """
    neighbors: dict[int, int] = {}
    for number, target in enumerate(marked.targets):
        other = neighbor(marked.scene.placements, target, direction)
        if other is not None and other not in neighbors.values():
            neighbors[number] = other
    return neighbors


def reading_order(placements: Sequence[Placement]) -> list[int]:
    """Return the numbers of the objects from left to right."""
    return sorted(range(len(placements)), key=lambda number: placements[number].center[0])
