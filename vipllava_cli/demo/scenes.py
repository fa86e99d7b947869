"""Clip-art scenes from a seed: several things on a background, and marks on some of them.

The marks are drawn by the product's own `drawing`, and the picture goes through its own `square`, so
that the demo model learns from the very pixels that a user's picture will give it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.colors import MODEL_COLORS, Color
from vipllava_cli.demo.things import THINGS, Thing, sprites
from vipllava_cli.drawing import draw
from vipllava_cli.marks import Mark

SCENE_SHAPES = ("box", "ellipse", "arrow", "point")
SCENE_COLORS: tuple[Color, ...] = MODEL_COLORS[:6]
MOST_OBJECTS = 4
MOST_MARKS = 3

# Streams of seeds that never meet: a scene's seed is (stream, number).
TRAINING, HELD_OUT, SAMPLES = 0, 1, 2


@dataclass(frozen=True)
class Placement:
    """A thing in a scene: its bounds in pixels (left, top, right, bottom) and its index in THINGS."""

    index: int
    box: tuple[float, float, float, float]
    alpha: NDArray[np.uint8]
    corner: tuple[int, int]

    @property
    def thing(self) -> Thing:
        return THINGS[self.index]

    @property
    def center(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class Scene:
    """A picture without marks, and what it shows."""

    picture: Image.Image
    placements: tuple[Placement, ...]


@dataclass(frozen=True)
class MarkedScene:
    """A scene with mark number i drawn on placement number `targets[i]`."""

    scene: Scene
    marks: tuple[Mark, ...]
    targets: tuple[int, ...]

    @property
    def picture(self) -> Image.Image:
        return draw(self.scene.picture, self.marks)


def scene_rng(stream: int, number: int) -> Generator:
    """The random numbers of one scene of a stream."""
    return np.random.default_rng((stream, number))


def make_scene(
    rng: Generator, *, longest: int | None = None, things: Sequence[int] | None = None
) -> Scene:
    """A scene whose longer side is `longest` pixels, of `things` by their index; random if None."""
    width, height = _size(rng, longest)
    pixels = _background(rng, width, height)
    if things is None:
        wanted = int(rng.integers(1, MOST_OBJECTS + 1))
        things = rng.choice(len(THINGS), size=wanted, replace=False).tolist()
    placements: list[Placement] = []
    for index in things:
        placement = _place(rng, index, width, height, placements)
        if placement is not None:
            _paste(pixels, placement)
            placements.append(placement[0])
    return Scene(Image.fromarray(pixels), tuple(placements))


def mark_scene(rng: Generator, scene: Scene, count: int | None = None) -> MarkedScene:
    """The scene with marks of different colours on different things; `count` random if None."""
    shown = len(scene.placements)
    if count is None:
        count = 1 if rng.random() < 1 / 3 else int(rng.integers(1, min(shown, MOST_MARKS) + 1))
    targets = rng.permutation(shown)[:count]
    colors = rng.permutation(len(SCENE_COLORS))
    marks = tuple(
        mark_placement(
            rng,
            scene.placements[target],
            SCENE_SHAPES[rng.integers(len(SCENE_SHAPES))],
            SCENE_COLORS[color],
            scene.picture.size,
        )
        for target, color in zip(targets, colors, strict=False)
    )
    return MarkedScene(scene, marks, tuple(int(target) for target in targets))


def mark_placement(
    rng: Generator, placement: Placement, shape: str, color: Color, size: tuple[int, int]
) -> Mark:
    """A mark of this shape on one thing, as a careful person would put it."""
    outline = _OUTLINES[shape](rng, placement, size)
    width = float(rng.uniform(2.5, 5.0))
    return Mark(shape, (outline,), color, width, float(rng.uniform(0.75, 1.0)))


# --- outlines --------------------------------------------------------------------------------

Points = tuple[tuple[float, float], ...]


def _around(rng: Generator, placement: Placement, size: tuple[int, int], room: float) -> Points:
    left, top, right, bottom = placement.box
    grow = rng.uniform(0.0, 0.12, 4) + room
    wide, high = right - left, bottom - top
    return (
        (max(left - grow[0] * wide, 0.0), max(top - grow[1] * high, 0.0)),
        (min(right + grow[2] * wide, size[0]), min(bottom + grow[3] * high, size[1])),
    )


def _box(rng: Generator, placement: Placement, size: tuple[int, int]) -> Points:
    return _around(rng, placement, size, 0.0)


def _ellipse(rng: Generator, placement: Placement, size: tuple[int, int]) -> Points:
    return _around(rng, placement, size, 0.12)


def _point(rng: Generator, placement: Placement, size: tuple[int, int]) -> Points:
    return (_inside(rng, placement),)


def _arrow(rng: Generator, placement: Placement, size: tuple[int, int]) -> Points:
    """The tip lies on the thing, the tail away from it and inside the picture."""
    tip = _inside(rng, placement)
    longest = max(size)
    for _ in range(20):
        angle = rng.uniform(0, 2 * np.pi)
        reach = rng.uniform(0.12, 0.24) * longest
        tail = (tip[0] + reach * np.cos(angle), tip[1] + reach * np.sin(angle))
        if 0 <= tail[0] <= size[0] and 0 <= tail[1] <= size[1]:
            break
    else:
        tail = (size[0] / 2, size[1] / 2)
    return (float(tail[0]), float(tail[1])), tip


def _inside(rng: Generator, placement: Placement) -> tuple[float, float]:
    """A point on the thing's own pixels, near its middle."""
    ys, xs = np.nonzero(placement.alpha > 128)
    middle = placement.alpha.shape[1] / 2, placement.alpha.shape[0] / 2
    picks = rng.integers(0, len(xs), 4)
    nearest = min(picks, key=lambda i: (xs[i] - middle[0]) ** 2 + (ys[i] - middle[1]) ** 2)
    return float(xs[nearest] + placement.corner[0]), float(ys[nearest] + placement.corner[1])


_OUTLINES = {"box": _box, "ellipse": _ellipse, "arrow": _arrow, "point": _point}


# --- pixels ----------------------------------------------------------------------------------

_RGBA = NDArray[np.uint8]


def _size(rng: Generator, longest: int | None) -> tuple[int, int]:
    side = int(rng.integers(200, 321)) if longest is None else longest
    other = round(side * rng.choice([1.0, 1.0, rng.uniform(0.6, 1.0)]))
    return (side, other) if rng.random() < 0.6 else (other, side)


def _background(rng: Generator, width: int, height: int) -> _RGBA:
    """Plain, a gradient, soft blotches, or either with grain: uint8 [height, width, 3]."""
    style = rng.integers(4)
    light = rng.uniform(90, 255, 3) if rng.random() < 0.8 else rng.uniform(0, 140, 3)
    if style == 0:
        pixels = np.full((height, width, 3), light, np.float32)
    elif style == 1:
        corners = (light + rng.uniform(-60, 60, (2, 2, 3))).astype(np.float32)
        pixels = cv2.resize(corners, (width, height), interpolation=cv2.INTER_LINEAR)
    else:
        cells = int(rng.integers(3, 9))
        blotches = (light + rng.normal(0, 25, (cells, cells, 3))).astype(np.float32)
        pixels = cv2.resize(blotches, (width, height), interpolation=cv2.INTER_CUBIC)
    if style == 3:
        grain = rng.normal(0, rng.uniform(2, 9), (64, 64, 1)).astype(np.float32)
        pixels = pixels + np.tile(grain, (height // 64 + 1, width // 64 + 1, 1))[:height, :width]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _place(
    rng: Generator, index: int, width: int, height: int, others: Sequence[Placement]
) -> tuple[Placement, _RGBA] | None:
    """A turned, perhaps mirrored sprite where it touches no other thing; None if there is no room."""
    longest = max(width, height)
    for attempt in range(8):
        side = rng.uniform(0.28, max(0.46 - 0.03 * attempt, 0.3)) * longest
        sprite, mask = _turned(rng, index, side)
        high, wide = mask.shape
        if wide >= width or high >= height:
            continue
        for _ in range(12):
            x, y = int(rng.integers(0, width - wide)), int(rng.integers(0, height - high))
            box = (float(x), float(y), float(x + wide), float(y + high))
            if all(_apart(box, other.box, 0.02 * longest) for other in others):
                return Placement(index, box, mask, (x, y)), sprite
    return None


def _turned(rng: Generator, index: int, side: float) -> tuple[_RGBA, _RGBA]:
    """The sprite at about `side` pixels, cut to its own bounds: RGBA and its alpha."""
    source = sprites()[index]
    if rng.random() < 0.5:
        source = source[:, ::-1]
    scale = side / source.shape[0]
    room = int(side * 1.3) + 2
    turn = cv2.getRotationMatrix2D(
        (source.shape[1] / 2, source.shape[0] / 2), rng.uniform(-20, 20), scale
    )
    turn[:, 2] += room / 2 - np.array([source.shape[1], source.shape[0]]) / 2
    if scale < 0.5:  # warping alone would skip pixels
        source = cv2.GaussianBlur(source, (0, 0), 0.35 / scale)
    turned = cv2.warpAffine(source, turn, (room, room), flags=cv2.INTER_LINEAR)
    x, y, wide, high = cv2.boundingRect((turned[..., 3] > 40).astype(np.uint8))
    cut = turned[y : y + high, x : x + wide]
    return cut, np.ascontiguousarray(cut[..., 3])


def _paste(pixels: _RGBA, placed: tuple[Placement, _RGBA]) -> None:
    placement, sprite = placed
    x, y = placement.corner
    window = np.s_[y : y + sprite.shape[0], x : x + sprite.shape[1]]
    share = sprite[..., 3:].astype(np.float32) / 255
    below = pixels[window].astype(np.float32)
    pixels[window] = np.round(below + (sprite[..., :3] - below) * share)


def _apart(a: tuple[float, ...], b: tuple[float, ...], gap: float) -> bool:
    return a[2] + gap < b[0] or b[2] + gap < a[0] or a[3] + gap < b[1] or b[3] + gap < a[1]
