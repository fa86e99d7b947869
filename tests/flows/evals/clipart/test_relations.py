"""Neighbours: only those on which people agree."""

import numpy as np
import pytest

from vipllava_cli.flows.evals.clipart.outlines import Silhouette
from vipllava_cli.flows.evals.clipart.relations import neighbor
from vipllava_cli.flows.evals.clipart.scenes import Placement


@pytest.mark.parametrize(
    ("corners", "expected"),
    [
        pytest.param([(100, 100), (200, 100)], 1, id="one"),
        pytest.param([(100, 100), (200, 100), (300, 100)], 1, id="the nearer of two"),
        pytest.param([(100, 100), (200, 110), (205, 90)], None, id="two at the same distance"),
        pytest.param([(100, 100), (200, 190)], None, id="diagonal"),
        pytest.param([(100, 100), (20, 100)], None, id="on the other side"),
    ],
)
def test_a_neighbor_is_unambiguous(corners: list[tuple[int, int]], expected: int | None) -> None:
    placements = [
        Placement(at, Silhouette(np.full((20, 20), 255, np.uint8), corner, (400, 400)))
        for at, corner in enumerate(corners)
    ]
    assert neighbor(placements, 0, "right") == expected
