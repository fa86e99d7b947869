"""Where the things of a scene lie to each other."""

import math
from collections.abc import Mapping, Sequence

from vipllava_cli.flows.evals.clipart.scenes import MarkedScene, Placement

# The step to a neighbour, in pixels to the right and down.
DIRECTIONS: Mapping[str, tuple[int, int]] = {
    "left": (-1, 0),
    "right": (1, 0),
    "above": (0, -1),
    "below": (0, 1),
}


# People agree on the neighbour that lies by so much more in the direction than aside of it, and by so
# much nearer than the next one; about others they would argue.
_STRAIGHTER, _NEARER = 1.2, 1.1


def neighbor(placements: Sequence[Placement], number: int, direction: str) -> int | None:
    """The nearest thing that lies more in this direction than aside of it; None if there is none, or if
    it may as well be another.
    """
    x, y = placements[number].center
    step_x, step_y = DIRECTIONS[direction]
    found: list[tuple[float, float, int]] = []
    for other, placement in enumerate(placements):
        dx, dy = placement.center[0] - x, placement.center[1] - y
        along = dx * step_x + dy * step_y
        aside = abs(dx * step_y) + abs(dy * step_x)
        if other != number and along * _STRAIGHTER > aside:
            found.append((math.hypot(dx, dy), along / max(aside, 1e-6), other))
    if not found:
        return None
    (distance, straight, nearest), *others = sorted(found)
    clear = straight > _STRAIGHTER and (not others or others[0][0] > distance * _NEARER)
    return nearest if clear else None


def beside(marked: MarkedScene, direction: str) -> dict[int, int]:
    """Which thing lies in this direction of the thing that a mark marks, by the mark's number. Where
    several marks have the same neighbour, only that of the first is told.
    """
    told: dict[int, int] = {}
    for number, target in enumerate(marked.targets):
        found = neighbor(marked.scene.placements, target, direction)
        if found is not None and found not in told.values():
            told[number] = found
    return told


def reading_order(placements: Sequence[Placement]) -> list[int]:
    """The numbers of the things from left to right."""
    return sorted(range(len(placements)), key=lambda number: placements[number].center[0])
