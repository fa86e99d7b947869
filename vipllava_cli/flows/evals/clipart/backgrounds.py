"""Backgrounds of clip-art scenes: plain, shaded, noisy, cluttered or patterned pixels."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
_Canvas = NDArray[np.float32]  # [height, width, 3], or a colour [3]; 0-255, clipped at the end


def background(rng: Generator, style: str, width: int, height: int) -> Pixels:
    """Draw a background of a style in `BACKGROUNDS`. Returns RGB, uint8 [height, width, 3]."""
    pixels = BACKGROUNDS[style](rng, _base_color(rng), width, height)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _base_color(rng: Generator) -> _Canvas:
    """Pick the colour that the background varies around: light in four of five."""
    low, high = (90, 255) if rng.random() < 0.8 else (0, 140)
    return rng.uniform(low, high, 3).astype(np.float32)


def _similar_color(rng: Generator, base: _Canvas, spread: float) -> _Canvas:
    return (base + rng.uniform(-spread, spread, 3)).astype(np.float32)


def _plain(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    return np.full((height, width, 3), base, np.float32)


def _gradient(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    corners = np.stack([_similar_color(rng, base, 60) for _ in range(4)]).reshape(2, 2, 3)
    shaded: _Canvas = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    return shaded


def _blotches(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    cells = int(rng.integers(3, 9))
    spots = (base + rng.normal(0, 25, (cells, cells, 3))).astype(np.float32)
    soft: _Canvas = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
    return soft


def _noisy(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    grain = rng.normal(0, rng.uniform(2, 12), (64, 64, 1)).astype(np.float32)
    tiled = np.tile(grain, (height // 64 + 1, width // 64 + 1, 1))[:height, :width]
    return _blotches(rng, base, width, height) + tiled


def _cluttered(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    """Draw rectangles, ellipses and lines in similar colours: none is as bright as a mark."""
    pixels = _gradient(rng, base, width, height)
    side = max(width, height)
    for _ in range(int(rng.integers(6, 22))):
        color = _similar_color(rng, base, 45).tolist()
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        extent = rng.uniform(0.03, 0.2, 2) * side
        dx, dy = int(extent[0]), int(extent[1])
        shape = rng.integers(3)
        if shape == 0:
            cv2.rectangle(pixels, (x, y), (x + dx, y + dy), color, cv2.FILLED)
        elif shape == 1:
            angle = float(rng.uniform(0, 180))
            cv2.ellipse(pixels, (x, y), (dx, dy // 2 + 1), angle, 0, 360, color, cv2.FILLED)
        else:
            cv2.line(pixels, (x, y), (x + dx, y - dy), color, int(rng.integers(1, 5)))
    return pixels


def _dotted(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    """Draw rows of discs. Every other row is shifted by half a step."""
    pixels = _plain(rng, base, width, height)
    color = _similar_color(rng, base, 40).tolist()
    step = int(rng.uniform(0.04, 0.15) * max(width, height)) + 4
    radius = int(rng.uniform(0.15, 0.4) * step) + 1
    for row, y in enumerate(range(0, height + step, step)):
        for x in range(row % 2 * step // 2, width + step, step):
            cv2.circle(pixels, (x, y), radius, color, cv2.FILLED, cv2.LINE_AA)
    return pixels


def _mosaic(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    """Draw Voronoi cells: each pixel has the colour of the nearest of some random points."""
    points, step = rng.uniform(0, 1, (int(rng.integers(8, 40)), 2)), max(width, height) // 130 + 1
    colors = np.stack([_similar_color(rng, base, 35) for _ in points])
    ys, xs = np.mgrid[:height:step, :width:step].astype(np.float32) / max(width, height)
    distance = (xs[..., None] - points[:, 0]) ** 2 + (ys[..., None] - points[:, 1]) ** 2
    tiles = colors[distance.argmin(-1)]
    mosaic: _Canvas = cv2.resize(tiles, (width, height), interpolation=cv2.INTER_NEAREST)
    return mosaic


def _ringed(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    """Draw rings around a point."""
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    period = rng.uniform(0.05, 0.2) * max(width, height)
    wave = np.sin(np.hypot(xs - x, ys - y) * (2 * np.pi / period))
    ringed: _Canvas = base + (_similar_color(rng, base, 25) - base) * wave[..., None]
    return ringed


def _striped(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    """Draw bands at a random angle."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    period = rng.uniform(0.05, 0.2) * max(width, height)
    wave = np.sin((xs * np.cos(angle) + ys * np.sin(angle)) * (2 * np.pi / period))
    striped: _Canvas = base + rng.uniform(6, 25) * wave[..., None]
    return striped


def _checkered(rng: Generator, base: _Canvas, width: int, height: int) -> _Canvas:
    cells = int(rng.integers(4, 14))
    board = (np.indices((cells, cells)).sum(0) % 2).astype(np.float32)
    side = max(width, height)
    board = cv2.resize(board, (side, side), interpolation=cv2.INTER_NEAREST)[:height, :width]
    checkered: _Canvas = base + rng.uniform(10, 40) * (board[..., None] - 0.5)
    return checkered


BACKGROUNDS: Mapping[str, Callable[[Generator, _Canvas, int, int], _Canvas]] = {
    "plain": _plain,
    "gradient": _gradient,
    "blotches": _blotches,
    "noisy": _noisy,
    "cluttered": _cluttered,
    "dotted": _dotted,
    "mosaic": _mosaic,
    "ringed": _ringed,
    "striped": _striped,
    "checkered": _checkered,
}
