"""Slow, plain versions of fast code, to compare results."""

from collections import deque

import cv2
import numpy as np
from numpy.typing import NDArray

from vipllava_cli.flows.batch.record_ids import RecordIds
from vipllava_cli.marks import draw
from vipllava_cli.marks.types import Mark


def decompress_runs(compressed: str) -> list[int]:
    """Decompress COCO's run lengths letter by letter."""
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


def compress_runs(runs: list[int]) -> str:
    """Compress run lengths as `rleToString` of COCO's maskApi.c does."""
    letters = []
    for number, run in enumerate(runs):
        value = run - runs[number - 2] if number > 2 else run
        more = True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != (-1 if bits & 0x10 else 0)
            letters.append(chr((bits | 0x20 if more else bits) + 48))
    return "".join(letters)


def fill_runs(runs: list[int], height: int, width: int) -> NDArray[np.uint8]:
    """Return the mask of run lengths that go column by column."""
    values = (np.arange(len(runs)) % 2).astype(np.uint8)
    return np.ascontiguousarray(np.repeat(values, runs).reshape(width, height).T)


def trace_outlines(inside: NDArray[np.uint8]) -> list[list[float]]:
    """Trace outlines on the complete array."""
    contours, _ = cv2.findContours(inside, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    return [
        [float(value) + 0.5 for value in contour.reshape(-1)]
        for contour in contours
        if len(contour) >= 3
    ]


def trace_thin_outlines(inside: NDArray[np.uint8]) -> list[list[float]]:
    """Trace a rectangle around each run of a row, on the complete array."""
    edges = np.diff(np.pad(inside.astype(bool), ((0, 0), (1, 1))).astype(np.int8), axis=1)
    starts, ends = np.argwhere(edges == 1), np.argwhere(edges == -1)
    return [
        [float(value) for value in (left, y, right, y, right, y + 1, left, y + 1)]
        for (y, left), (_, right) in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def decode_brush(rle: list[int], width: int, height: int) -> NDArray[np.uint8]:
    """Decode Label Studio's brush value by value."""
    text = "".join(f"{byte:08b}" for byte in rle)
    at = 0

    def read(count: int) -> int:
        nonlocal at
        at += count
        assert at <= len(text)
        return int(text[at - count : at], 2)

    count = read(32)
    word = read(5) + 1
    sizes = [read(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    place = 0
    while place < count:
        is_run = read(1)
        end = place + 1 + read(sizes[read(2)])
        if is_run:
            values[place:end] = min(read(word), 255)
        else:
            for single in range(place, min(end, count)):
                values[single] = min(read(word), 255)
        place = end
    return (values.reshape(height, width, 4)[..., 3] > 0).astype(np.uint8)


def coverage(mark: Mark, width: int, height: int) -> NDArray[np.uint8]:
    """Draw a mark on a canvas of the size of the image."""
    canvas = draw.Canvas(np.zeros((height, width), np.uint8), 0, 0, width, height)
    draw._DRAWERS[mark.shape](canvas, mark, draw.line_width(mark, width, height))
    return canvas.pixels


def first_free(
    self: RecordIds, ids: deque[str] | None, own: str, *, is_own_free: bool = False
) -> str | None:
    """Return the first id that no row has claimed, and look at all of them each time."""
    for id in ids or ():
        is_own = is_own_free and id == own
        if id not in self._variants and (is_own or not self._is_claimed(id)):
            return id
    return None
