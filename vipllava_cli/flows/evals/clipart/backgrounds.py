"""What lies behind the things of a scene: plain, shaded, noisy, cluttered or patterned pixels."""

from collections.abc import Callable, Mapping

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
_Shade = NDArray[np.float32]


def background(rng: Generator, style: str, width: int, height: int) -> Pixels:
    """RGB, uint8 [height, width, 3], in a style that is named in BACKGROUNDS."""
    pixels = BACKGROUNDS[style](rng, _ground(rng), width, height)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _ground(rng: Generator) -> _Shade:
    """The colour that the background is about: mostly light."""
    low, high = (90, 255) if rng.random() < 0.8 else (0, 140)
    return rng.uniform(low, high, 3).astype(np.float32)


def _near(rng: Generator, ground: _Shade, spread: float) -> _Shade:
    return (ground + rng.uniform(-spread, spread, 3)).astype(np.float32)


def _plain(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    return np.full((height, width, 3), ground, np.float32)


def _gradient(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    corners = np.stack([_near(rng, ground, 60) for _ in range(4)]).reshape(2, 2, 3)
    shaded: _Shade = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    return shaded


def _blotches(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    cells = int(rng.integers(3, 9))
    spots = (ground + rng.normal(0, 25, (cells, cells, 3))).astype(np.float32)
    soft: _Shade = cv2.resize(spots, (width, height), interpolation=cv2.INTER_CUBIC)
    return soft


def _noisy(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    grain = rng.normal(0, rng.uniform(2, 12), (64, 64, 1)).astype(np.float32)
    tiled = np.tile(grain, (height // 64 + 1, width // 64 + 1, 1))[:height, :width]
    return _blotches(rng, ground, width, height) + tiled


def _cluttered(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    """Patches and strokes of colours that are near the ground's: none is as bright as a mark."""
    pixels = _gradient(rng, ground, width, height)
    longest = max(width, height)
    for _ in range(int(rng.integers(6, 22))):
        color = _near(rng, ground, 45).tolist()
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        reach = rng.uniform(0.03, 0.2, 2) * longest
        across, down = int(reach[0]), int(reach[1])
        form = rng.integers(3)
        if form == 0:
            cv2.rectangle(pixels, (x, y), (x + across, y + down), color, cv2.FILLED)
        elif form == 1:
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(pixels, (x, y), (across, down // 2 + 1), turn, 0, 360, color, cv2.FILLED)
        else:
            cv2.line(pixels, (x, y), (x + across, y - down), color, int(rng.integers(1, 5)))
    return pixels


def _dotted(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    """Discs in rows, every other row shifted by half a step."""
    pixels = _plain(rng, ground, width, height)
    color = _near(rng, ground, 40).tolist()
    step = int(rng.uniform(0.04, 0.15) * max(width, height)) + 4
    radius = int(rng.uniform(0.15, 0.4) * step) + 1
    for row, y in enumerate(range(0, height + step, step)):
        for x in range(row % 2 * step // 2, width + step, step):
            cv2.circle(pixels, (x, y), radius, color, cv2.FILLED, cv2.LINE_AA)
    return pixels


def _mosaic(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    """Tiles without order: each pixel has the colour of the nearest of some points."""
    points, step = rng.uniform(0, 1, (int(rng.integers(8, 40)), 2)), max(width, height) // 130 + 1
    colors = np.stack([_near(rng, ground, 35) for _ in points])
    ys, xs = np.mgrid[:height:step, :width:step].astype(np.float32) / max(width, height)
    far = (xs[..., None] - points[:, 0]) ** 2 + (ys[..., None] - points[:, 1]) ** 2
    tiles = colors[far.argmin(-1)]
    mosaic: _Shade = cv2.resize(tiles, (width, height), interpolation=cv2.INTER_NEAREST)
    return mosaic


def _ringed(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    """Rings around a point."""
    x, y = rng.uniform(0, width), rng.uniform(0, height)
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    period = rng.uniform(0.05, 0.2) * max(width, height)
    wave = np.sin(np.hypot(xs - x, ys - y) * (2 * np.pi / period))
    ringed: _Shade = ground + (_near(rng, ground, 25) - ground) * wave[..., None]
    return ringed


def _striped(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    """Bands at a slant."""
    ys, xs = np.mgrid[:height, :width].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    period = rng.uniform(0.05, 0.2) * max(width, height)
    wave = np.sin((xs * np.cos(angle) + ys * np.sin(angle)) * (2 * np.pi / period))
    striped: _Shade = ground + rng.uniform(6, 25) * wave[..., None]
    return striped


def _checkered(rng: Generator, ground: _Shade, width: int, height: int) -> _Shade:
    cells = int(rng.integers(4, 14))
    board = (np.indices((cells, cells)).sum(0) % 2).astype(np.float32)
    side = max(width, height)
    board = cv2.resize(board, (side, side), interpolation=cv2.INTER_NEAREST)[:height, :width]
    checkered: _Shade = ground + rng.uniform(10, 40) * (board[..., None] - 0.5)
    return checkered


BACKGROUNDS: Mapping[str, Callable[[Generator, _Shade, int, int], _Shade]] = {
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
