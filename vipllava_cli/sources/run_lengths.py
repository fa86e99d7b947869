"""Run-length encoded masks, as COCO writes them -> outlines.

Time and memory grow with the runs and with the columns that the region covers.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vipllava_cli.errors import InputError, short_repr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHUNK = 1 << 20  # letters decompressed, or pixels filled, in one step
_MAX_LETTERS = 7  # of a number: 35 bits, more than the pixels of any mask


def rle_outlines(rle: Mapping[str, Any]) -> list[list[float]]:
    """Trace the outlines of a run-length encoded mask, one flat list of pixel centres per part.

    `rle` is {"size": [height, width], "counts": a list of run lengths, or a compressed string}.
    Raises InputError.
    """
    import numpy as np

    from vipllava_cli.marks.masks import trace_outlines

    height, width = rle_size(rle.get("size"))
    counts = rle.get("counts")
    runs = _read_runs(counts, height, width)
    if runs is None:
        raise InputError(
            f"expected run lengths that add up to {height}x{width} pixels, found {short_repr(counts)}"
        )
    ends = np.cumsum(runs)
    mask, left = _fill_columns(ends, height)
    outlines = trace_outlines(mask, left=left)
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


def _read_runs(counts: Any, height: int, width: int) -> "NDArray[np.int64] | None":
    """Return the run lengths of a mask, None if they do not add up. Raises InputError for noise."""
    import numpy as np

    from vipllava_cli.marks.masks import MAX_EDGES, noise_error

    pixels = height * width
    max_runs = MAX_EDGES + width + 2  # a run can go on from one column to the next
    parts = _decompress(counts) if isinstance(counts, str) else _iter_list(counts, pixels)
    collected: list[NDArray[np.int64]] = []
    count = total = 0
    for part in parts:
        if part is None or (len(part) and (part.min() < 0 or part.max() > pixels)):
            return None
        total += int(part.sum())
        count += len(part)
        if total > pixels:
            return None
        if count > max_runs:
            raise noise_error("the mask")
        collected.append(part)
    if total != pixels:
        return None
    return np.concatenate(collected)


def _iter_list(counts: Any, pixels: int) -> "Iterator[NDArray[np.int64] | None]":
    """Yield the numbers of a list in parts, None if they are no run lengths."""
    import numpy as np

    if not isinstance(counts, list):
        yield None
        return
    for start in range(0, len(counts), _CHUNK):
        part = counts[start : start + _CHUNK]
        is_valid = set(map(type, part)) <= {int} and max(part) <= pixels and min(part) >= 0
        yield np.array(part, np.int64) if is_valid else None


def _decompress(compressed: str) -> "Iterator[NDArray[np.int64] | None]":
    """Decompress run lengths as `rleFrString` of COCO's maskApi.c does, and yield them in parts.

    Each character holds 5 bits of a number, lowest bits first, and a bit that is set if the number
    continues. From the fourth number on, a value is the difference to the number two before it.
    A truncated string gives lengths that do not add up. Yields None for what is no such string.
    """
    import numpy as np

    rest = np.zeros(0, np.uint8)  # of a number that goes on in the next chunk
    before: Sequence[int] = (0, 0)  # the last two numbers
    count = 0
    for start in range(0, len(compressed), _CHUNK):
        try:
            letters = compressed[start : start + _CHUNK].encode("ascii")
        except UnicodeEncodeError:
            yield None
            return
        bits = np.concatenate([rest, np.frombuffer(letters, np.uint8) - 48])
        ends = np.flatnonzero((bits & 0x20) == 0)
        used = int(ends[-1]) + 1 if len(ends) else 0
        rest = bits[used:]
        lengths = np.diff(ends, prepend=-1)
        if (bits > 63).any() or len(rest) >= _MAX_LETTERS or (lengths > _MAX_LETTERS).any():
            yield None
            return
        runs = _join_letters(bits, ends, lengths)
        _add_differences(runs, before, count)
        count += len(runs)
        before = [*before, *runs[-2:].tolist()][-2:]
        yield runs


def _join_letters(
    bits: "NDArray[np.uint8]", ends: "NDArray[np.int64]", lengths: "NDArray[np.int64]"
) -> "NDArray[np.int64]":
    """Return the numbers whose last letters are at `ends`. The last letter has a sign bit."""
    import numpy as np

    values = np.zeros(len(ends), np.int64)
    starts = ends - lengths + 1
    for place in range(int(lengths.max(initial=0))):
        has_letter = lengths > place
        letters = bits[starts[has_letter] + place] & 0x1F
        values[has_letter] |= letters.astype(np.int64) << (5 * place)
    values -= np.where(bits[ends] & 0x10, np.int64(1) << (5 * lengths), 0)
    return values


def _add_differences(runs: "NDArray[np.int64]", before: Sequence[int], count: int) -> None:
    """Add to each number the one two before it. `count` numbers came before, the last ones `before`.

    The numbers with an index below 3 are no differences.
    """
    import numpy as np

    for first in (0, 1):
        chain = runs[first::2]
        skipped = max(3 - count - first, 0)  # plain numbers at the start
        plain = (skipped + 1) // 2
        if plain == 0 and len(chain):
            chain[0] += before[first]
        chain[max(plain - 1, 0) :] = np.cumsum(chain[max(plain - 1, 0) :])


def _fill_columns(ends: "NDArray[np.int64]", height: int) -> "tuple[NDArray[np.uint8], int]":
    """Fill the mask of runs that end at these pixels, from the first column of the region to the last.

    Returns uint8 [height, columns] and the first column. Runs go column by column and start outside
    the region. This does not call pycocotools: its version 2.0.11 exposes uninitialised memory if the
    runs are too short, and triggers a NumPy deprecation warning.
    """
    import numpy as np

    starts = np.concatenate([[0], ends[:-1]])
    filled = np.flatnonzero(ends[1::2] > starts[1::2]) * 2 + 1
    if not len(filled):
        return np.zeros((height, 1), np.uint8), 0
    left = int(starts[filled[0]]) // height
    right = -(-int(ends[filled[-1]]) // height)
    mask = np.zeros((height, right - left), np.uint8)
    columns = max(_CHUNK // height, 1)
    for column in range(left, right, columns):
        low, high = column * height, min(column + columns, right) * height
        first = int(np.searchsorted(ends, low, "right"))
        last = int(np.searchsorted(ends, high, "left"))
        band = slice(first, last + 1)
        lengths = np.minimum(ends[band], high) - np.maximum(starts[band], low)
        values = (np.arange(first, last + 1) % 2).astype(np.uint8)
        pixels = np.repeat(values, lengths).reshape(-1, height)
        mask[:, column - left : column - left + len(pixels)] = pixels.T
    return mask, left
