"""Run-length encoded masks, as COCO writes them -> outlines."""

from collections.abc import Mapping
from typing import Any

from vipllava_cli.errors import InputError, short_repr


def rle_outlines(rle: Mapping[str, Any]) -> list[list[float]]:
    """Trace the outlines of a run-length encoded mask, one flat list of pixel centres per part.

    `rle` is {"size": [height, width], "counts": a list of run lengths, or a compressed string}.
    Raises InputError.
    """
    import numpy as np

    from vipllava_cli.marks.masks import trace_outlines

    height, width = rle_size(rle.get("size"))
    counts = rle.get("counts")
    runs = _decompress_runs(counts) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(map(_is_length, runs)) or sum(runs) != height * width:
        raise InputError(
            f"expected run lengths that add up to {height}x{width} pixels, found {short_repr(counts)}"
        )
    # Runs go column by column and start outside the region. This does not call pycocotools: its
    # version 2.0.11 exposes uninitialised memory if the runs are too short, and triggers a NumPy
    # deprecation warning.
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    mask = np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)
    outlines = trace_outlines(mask)
    if not outlines:
        raise InputError("the run lengths contain no region: expected one of several pixels")
    return outlines


def rle_size(value: Any) -> tuple[int, int]:
    """Check the size of a mask: (height, width). Raises InputError."""
    from vipllava_cli.images.opening import MAX_PIXELS

    if isinstance(value, list) and len(value) == 2 and all(_is_length(side) for side in value):
        height, width = value
        if 0 < height * width <= MAX_PIXELS:
            return height, width
    raise InputError(f"expected a size [height, width] in pixels, found {short_repr(value)}")


def _is_length(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _decompress_runs(compressed: str) -> list[int]:
    """Decompress run lengths as `rleFrString` of COCO's maskApi.c does.

    Each character holds 5 bits of a number, lowest bits first, and a bit that is set if the number
    continues. From the fourth number on, a value is the difference to the number two before it.
    A truncated string gives lengths that do not add up.
    """
    runs: list[int] = []
    value = shift = 0
    for letter in compressed:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:  # the sign bit
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs
