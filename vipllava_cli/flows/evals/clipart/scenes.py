"""Clip-art scenes from a seed: several things on a background, and marks on some of them.

The marks are drawn by the product's own `drawing`, and the image goes through its own `pad_to_square`, so
that the demo model learns from the very pixels that a user's image will give it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.flows.evals.clipart.backgrounds import background
from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES, STYLES, ObjectClass, sprites
from vipllava_cli.flows.evals.clipart.outlines import Silhouette, outline
from vipllava_cli.marks.colors import MODEL_COLORS, Color
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.types import SHAPES, Mark

# Streams of seeds that never meet: a scene's seed is the stream and a number in it. Training watches
# itself by HELD_OUT, `eval demo` measures by MEASURED.
TRAINING, HELD_OUT, MEASURED = 0, 1, 3


@dataclass(frozen=True)
class World:
    """What scenes may show: the first `things` of THINGS in the first `styles` of their drawings,
    `sides` from the smallest to the largest as shares of the image's longer side; the first
    `colors` of the model's.
    """

    things: int = len(OBJECT_CLASSES)
    styles: int = len(STYLES)
    shapes: tuple[str, ...] = tuple(SHAPES)
    colors: int = len(MODEL_COLORS)
    most_objects: int = 8
    most_marks: int = 4
    sides: tuple[float, float] = (0.17, 0.46)
    narrowest: float = 0.45  # the shorter side as a share of the longer


WHOLE = World()
# What is learned from, in turn: more of the shapes that hide what they mark, and smaller things in one
# of two. In all, they would teach that there are mostly many: the smaller, the more find room.
LEARNED = tuple(
    World(shapes=(*SHAPES, "mask", "mask", "scribble"), sides=sides)
    for sides in ((0.1, 0.46), WHOLE.sides)
)
# Scenes in which little goes wrong: larger things, fewer of them, marks that stand out.
SIMPLE = World(80, 1, ("box", "ellipse", "arrow", "point"), 6, 4, 3, (0.28, 0.46), 0.6)


@dataclass(frozen=True)
class Look:
    """What must not decide: backgrounds, and ranges of the longer side of images in pixels."""

    backgrounds: tuple[str, ...]
    longest: tuple[tuple[int, int], ...]


USUAL = Look(("plain", "gradient", "blotches", "noisy", "cluttered"), ((200, 320),))
# What is learned from: large images, too, whose marks are thin and whose things are sharp in the
# model's view; few, as they take long to render.
TRAINED = Look((*USUAL.backgrounds, "dotted", "mosaic", "ringed"), (*USUAL.longest * 3, (650, 800)))
UNSEEN = Look(("striped", "checkered", "cluttered"), ((330, 640),))  # for what is measured


@dataclass(frozen=True)
class Placement:
    """A thing in a scene: its index in THINGS and where it lies."""

    index: int
    silhouette: Silhouette

    @property
    def thing(self) -> ObjectClass:
        return OBJECT_CLASSES[self.index]

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom in pixels."""
        return self.silhouette.box

    @property
    def center(self) -> tuple[float, float]:
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2


@dataclass(frozen=True)
class Scene:
    """An image without marks, and what it shows."""

    image: Image.Image
    placements: tuple[Placement, ...]


@dataclass(frozen=True)
class MarkedScene:
    """A scene with mark number i drawn on placement number `targets[i]`."""

    scene: Scene
    marks: tuple[Mark, ...]
    targets: tuple[int, ...]

    @property
    def image(self) -> Image.Image:
        return draw(self.scene.image, self.marks)

    def marked(self, number: int) -> Placement:
        """What mark number `number` marks."""
        return self.scene.placements[self.targets[number]]


def scene_rng(stream: int, *number: int) -> Generator:
    """The random numbers of one scene of a stream."""
    return np.random.default_rng((stream, *number))


def make_scene(
    rng: Generator,
    world: World = WHOLE,
    look: Look = USUAL,
    *,
    longest: int | None = None,
    things: Sequence[int] | None = None,
) -> Scene:
    """A scene whose longer side is `longest` pixels, of `things` by their index; random if None."""
    width, height = _size(rng, world, longest or _longest(rng, look))
    style = look.backgrounds[rng.integers(len(look.backgrounds))]
    pixels = background(rng, style, width, height)
    if things is None:
        wanted = int(rng.integers(1, world.most_objects + 1))
        things = rng.choice(world.things, size=wanted, replace=False).tolist()
    placements: list[Placement] = []
    for index in things:
        sides = _sides(world, len(things))
        placed = _place(
            rng, index, int(rng.integers(world.styles)), (width, height), sides, placements
        )
        if placed is not None:
            _paste(pixels, *placed)
            placements.append(placed[0])
    return Scene(Image.fromarray(pixels), tuple(placements))


def mark_scene(
    rng: Generator, scene: Scene, world: World = WHOLE, count: int | None = None
) -> MarkedScene:
    """The scene with marks of different colours on different things; `count` random if None."""
    shown = len(scene.placements)
    if count is None:
        most = min(shown, world.most_marks)
        count = 1 if rng.random() < 1 / 3 else int(rng.integers(1, most + 1))
    targets = tuple(int(target) for target in rng.permutation(shown)[:count])
    colors = rng.permutation(world.colors)
    marks = tuple(
        mark_placement(
            rng,
            scene.placements[target],
            world.shapes[rng.integers(len(world.shapes))],
            MODEL_COLORS[color],
        )
        for target, color in zip(targets, colors, strict=False)
    )
    return MarkedScene(scene, marks, targets)


def mark_placement(rng: Generator, placement: Placement, shape: str, color: Color) -> Mark:
    """A mark of this shape on one thing, as a careful person would put it, about as wide as the
    product draws it, and as opaque or, every second one, down to half of that, as benchmarks draw.
    """
    parts = outline(rng, shape, placement.silhouette)
    width = float(rng.uniform(2.5, 5.0))
    share = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.5, 1.0))
    least = 0.75 if shape == "mask" else 0.0  # half of a filled region's opacity is no mark
    return Mark(shape, parts, color, width, SHAPES[shape].alpha * max(share, least))


# --- pixels ----------------------------------------------------------------------------------

_RGBA = NDArray[np.uint8]


def _longest(rng: Generator, look: Look) -> int:
    return int(rng.integers(*look.longest[rng.integers(len(look.longest))]))


def _size(rng: Generator, world: World, longest: int) -> tuple[int, int]:
    shorter = round(longest * rng.choice([1.0, rng.uniform(world.narrowest, 1.0)], p=(0.35, 0.65)))
    return (longest, shorter) if rng.random() < 0.6 else (shorter, longest)


def _sides(world: World, things: int) -> tuple[float, float]:
    """The smallest and the largest side of a thing among so many: many must be small to fit."""
    smallest, largest = world.sides
    return smallest, max(min(largest, 0.8 / things**0.5), smallest + 0.05)


def _place(
    rng: Generator,
    index: int,
    style: int,
    size: tuple[int, int],
    sides: tuple[float, float],
    others: Sequence[Placement],
) -> tuple[Placement, _RGBA] | None:
    """A turned, perhaps mirrored sprite where it touches no other thing; None if there is no room."""
    (width, height), longest = size, max(size)
    smallest, largest = sides
    for attempt in range(8):
        side = rng.uniform(smallest, max(largest - 0.04 * attempt, smallest + 0.02)) * longest
        sprite = _turned(rng, sprites(STYLES[style])[index], side)
        high, wide = sprite.shape[:2]
        if wide >= width or high >= height:
            continue
        for _ in range(12):
            x, y = int(rng.integers(0, width - wide)), int(rng.integers(0, height - high))
            box = (x, y, x + wide, y + high)
            if all(_apart(box, other.box, 0.02 * longest) for other in others):
                alpha = np.ascontiguousarray(sprite[..., 3])
                return Placement(index, Silhouette(alpha, (x, y), size)), sprite
    return None


def _turned(rng: Generator, source: _RGBA, side: float) -> _RGBA:
    """The sprite at about `side` pixels, cut to its own bounds."""
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
    turned: _RGBA = cv2.warpAffine(source, turn, (room, room), flags=cv2.INTER_LINEAR)
    x, y, wide, high = cv2.boundingRect((turned[..., 3] > 40).astype(np.uint8))
    cut: _RGBA = turned[y : y + high, x : x + wide]
    return cut


def _paste(pixels: _RGBA, placement: Placement, sprite: _RGBA) -> None:
    x, y = placement.silhouette.corner
    window = np.s_[y : y + sprite.shape[0], x : x + sprite.shape[1]]
    share = sprite[..., 3:].astype(np.float32) / 255
    below = pixels[window].astype(np.float32)
    pixels[window] = np.round(below + (sprite[..., :3] - below) * share)


def _apart(a: Sequence[float], b: Sequence[float], gap: float) -> bool:
    return a[2] + gap < b[0] or b[2] + gap < a[0] or a[3] + gap < b[1] or b[3] + gap < a[1]
