"""Regions as the `marks` of a manifest, which hold every shape."""

from collections.abc import Sequence
from typing import Any

from vipllava_cli.flows.export.dataset import Region
from vipllava_cli.flows.export.geometry import rounded


def written_marks(regions: Sequence[Region]) -> list[dict[str, Any]]:
    """Return the marks of regions. `coords` is always a list of lists: tables need one type."""
    return [
        {
            "shape": region.mark.shape,
            "coords": [
                [rounded(value) for point in part for value in point] for part in region.mark.parts
            ],
            "color": str(region.mark.color),
            **({"label": region.label} if region.label else {}),
        }
        for region in regions
        if region.mark is not None
    ]
