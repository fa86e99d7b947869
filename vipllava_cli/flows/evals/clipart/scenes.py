"""Clip-art scenes from a seed: objects on a background, and marks on some of them.

The program's own `draw` draws the marks, so the model trains on the pixels that it sees in use.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.flows.evals.clipart.backgrounds import background
from vipllava_cli.flows.evals.clipart.objects import (
    OBJECT_CLASSES,
    SPRITE_STYLES,
    ObjectClass,
    sprites,
)
from vipllava_cli.flows.evals.clipart.outlines import Silhouette, outline
from vipllava_cli.marks.colors import MODEL_COLORS, Color
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.shape_table import SHAPES
from vipllava_cli.marks.types import Mark

# Streams of seeds: a scene's seed is (stream, number), so scenes of two streams never coincide.
# Training validates on HELD_OUT; the benchmark measures on MEASURED.
TRAINING, HELD_OUT, MEASURED = 0, 1, 3


@dataclass(frozen=True)
class SceneSettings:
    """The limits of a scene's content.

    `object_classes`, `sprite_styles` and `colors` are how many of OBJECT_CLASSES, SPRITE_STYLES and
    MODEL_COLORS a scene may use, from the first on. `object_sides` is the range of an object's side as
    a share of the image's longer side. `min_aspect` is the least shorter side of an image as a share of
    its longer side.
    """

    object_classes: int = len(OBJECT_CLASSES)
    sprite_styles: int = len(SPRITE_STYLES)
    shapes: tuple[str, ...] = tuple(SHAPES)
    colors: int = len(MODEL_COLORS)
    max_objects: int = 8
    max_marks: int = 4
    object_sides: tuple[float, float] = (0.17, 0.46)
    min_aspect: float = 0.45


FULL = SceneSettings()
# Training scenes alternate between these settings. Both oversample the shapes that hide their object.
# Only one has smaller objects: the smaller the objects, the more of them fit, and with small objects in
# every scene the model would learn that there are mostly many.
TRAINING_SETTINGS = tuple(
    SceneSettings(shapes=(*SHAPES, "mask", "mask", "scribble"), object_sides=sides)
    for sides in ((0.1, 0.46), FULL.object_sides)
)
# Easy scenes: larger and fewer objects, and marks that stand out.
SIMPLE = SceneSettings(
    object_classes=80,
    sprite_styles=1,
    shapes=("box", "ellipse", "arrow", "point"),
    colors=6,
    max_objects=4,
    max_marks=3,
    object_sides=(0.28, 0.46),
    min_aspect=0.6,
)


@dataclass(frozen=True)
class SceneStyle:
    """The appearance of a scene: backgrounds, and ranges of an image's longer side in pixels.

    Answers must not depend on it. A scene picks one background and one range; a repeated entry is more
    likely.
    """

    backgrounds: tuple[str, ...]
    longer_sides: tuple[tuple[int, int], ...]


DEFAULT_STYLE = SceneStyle(
    ("plain", "gradient", "blotches", "noisy", "cluttered"), longer_sides=((200, 320),)
)
# One image in four is large: its marks are thin and its objects sharp in the model's view. More large
# images would slow rendering down.
TRAINING_STYLE = SceneStyle(
    (*DEFAULT_STYLE.backgrounds, "dotted", "mosaic", "ringed"),
    longer_sides=(*DEFAULT_STYLE.longer_sides * 3, (650, 800)),
)
# For the benchmark: backgrounds and sizes that training leaves out, except `cluttered`.
UNSEEN = SceneStyle(("striped", "checkered", "cluttered"), longer_sides=((330, 640),))


@dataclass(frozen=True)
class Placement:
    """An object in a scene. `class_index` is its class's index in OBJECT_CLASSES."""

    class_index: int
    silhouette: Silhouette

    @property
    def object_class(self) -> ObjectClass:
        return OBJECT_CLASSES[self.class_index]

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
    """An RGB image without marks, and the objects in it."""

    image: Image.Image
    placements: tuple[Placement, ...]


@dataclass(frozen=True)
class MarkedScene:
    """A scene with marks. `targets[i]` is the number of the placement that mark i is on."""

    scene: Scene
    marks: tuple[Mark, ...]
    targets: tuple[int, ...]

    @property
    def image(self) -> Image.Image:
        return draw(self.scene.image, self.marks)

    def marked_placement(self, number: int) -> Placement:
        """Return the placement that mark `number` is on."""
        return self.scene.placements[self.targets[number]]


def scene_rng(stream: int, *number: int) -> Generator:
    """Return the random generator of one scene of a stream."""
    return np.random.default_rng((stream, *number))


def make_scene(
    rng: Generator,
    settings: SceneSettings = FULL,
    style: SceneStyle = DEFAULT_STYLE,
    *,
    classes: Sequence[int] | None = None,
) -> Scene:
    """Render a scene with objects of `classes`: indices in OBJECT_CLASSES, random if None.

    An object that does not fit is left out.
    """
    size = _image_size(rng, settings, _longer_side(rng, style))
    pixels = background(rng, style.backgrounds[rng.integers(len(style.backgrounds))], *size)
    if classes is None:
        count = int(rng.integers(1, settings.max_objects + 1))
        classes = rng.choice(settings.object_classes, size=count, replace=False).tolist()
    sides = _object_sides(settings, len(classes))
    placements: list[Placement] = []
    for class_index in classes:
        sprite_style = int(rng.integers(settings.sprite_styles))
        placed = _place(rng, class_index, sprite_style, size, sides, placements)
        if placed is not None:
            _paste(pixels, *placed)
            placements.append(placed[0])
    return Scene(Image.fromarray(pixels), tuple(placements))


def mark_scene(
    rng: Generator, scene: Scene, settings: SceneSettings = FULL, count: int | None = None
) -> MarkedScene:
    """Mark `count` objects in different colours. The count is random if None: one in a third of cases."""
    objects = len(scene.placements)
    if count is None:
        max_marks = min(objects, settings.max_marks)
        count = 1 if rng.random() < 1 / 3 else int(rng.integers(1, max_marks + 1))
    targets = tuple(int(target) for target in rng.permutation(objects)[:count])
    colors = rng.permutation(settings.colors)
    marks = tuple(
        mark_placement(
            rng,
            scene.placements[target],
            settings.shapes[rng.integers(len(settings.shapes))],
            MODEL_COLORS[color],
        )
        for target, color in zip(targets, colors, strict=False)
    )
    return MarkedScene(scene, marks, targets)


def mark_placement(rng: Generator, placement: Placement, shape: str, color: Color) -> Mark:
    """Mark one object. The line width is near the program's default of 3.

    Every other mark has the shape's default opacity, the others down to half of it, as in published
    benchmarks.
    """
    parts = outline(rng, shape, placement.silhouette)
    width = float(rng.uniform(2.5, 5.0))
    opacity = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.5, 1.0))
    min_opacity = 0.75 if shape == "mask" else 0.0  # a fainter filled region does not look marked
    return Mark(shape, parts, color, width, SHAPES[shape].alpha * max(opacity, min_opacity))


# --- pixels ----------------------------------------------------------------------------------

_RGBA = NDArray[np.uint8]


def _longer_side(rng: Generator, style: SceneStyle) -> int:
    return int(rng.integers(*style.longer_sides[rng.integers(len(style.longer_sides))]))


def _image_size(rng: Generator, settings: SceneSettings, longer: int) -> tuple[int, int]:
    """Pick width and height: square in 35 %, else upright or, more often, wide."""
    aspect = rng.choice([1.0, rng.uniform(settings.min_aspect, 1.0)], p=(0.35, 0.65))
    shorter = round(longer * aspect)
    return (longer, shorter) if rng.random() < 0.6 else (shorter, longer)


def _object_sides(settings: SceneSettings, objects: int) -> tuple[float, float]:
    """Return the least and the greatest side of an object: the more objects, the smaller."""
    smallest, largest = settings.object_sides
    return smallest, max(min(largest, 0.8 / objects**0.5), smallest + 0.05)


def _place(
    rng: Generator,
    class_index: int,
    sprite_style: int,
    size: tuple[int, int],
    sides: tuple[float, float],
    others: Sequence[Placement],
) -> tuple[Placement, _RGBA] | None:
    """Place a rotated, perhaps mirrored sprite apart from the others. None if it does not fit."""
    (width, height), longer = size, max(size)
    smallest, largest = sides
    for attempt in range(8):
        # Each attempt allows only smaller sprites.
        side = rng.uniform(smallest, max(largest - 0.04 * attempt, smallest + 0.02)) * longer
        sprite = _transform(rng, sprites(SPRITE_STYLES[sprite_style])[class_index], side)
        sprite_height, sprite_width = sprite.shape[:2]
        if sprite_width >= width or sprite_height >= height:
            continue
        for _ in range(12):
            x = int(rng.integers(0, width - sprite_width))
            y = int(rng.integers(0, height - sprite_height))
            box = (x, y, x + sprite_width, y + sprite_height)
            if all(_is_apart(box, other.box, 0.02 * longer) for other in others):
                alpha = np.ascontiguousarray(sprite[..., 3])
                return Placement(class_index, Silhouette(alpha, (x, y), size)), sprite
    return None


def _transform(rng: Generator, source: _RGBA, side: float) -> _RGBA:
    """Mirror, rotate and scale a sprite to about `side` pixels, cropped to its visible bounds."""
    if rng.random() < 0.5:
        source = source[:, ::-1]
    scale = side / source.shape[0]
    canvas = int(side * 1.3) + 2
    matrix = cv2.getRotationMatrix2D(
        (source.shape[1] / 2, source.shape[0] / 2), rng.uniform(-20, 20), scale
    )
    matrix[:, 2] += canvas / 2 - np.array([source.shape[1], source.shape[0]]) / 2
    if scale < 0.5:  # bilinear warping alone would skip pixels
        source = cv2.GaussianBlur(source, (0, 0), 0.35 / scale)
    warped: _RGBA = cv2.warpAffine(source, matrix, (canvas, canvas), flags=cv2.INTER_LINEAR)
    x, y, width, height = cv2.boundingRect((warped[..., 3] > 40).astype(np.uint8))
    cropped: _RGBA = warped[y : y + height, x : x + width]
    return cropped


def _paste(pixels: _RGBA, placement: Placement, sprite: _RGBA) -> None:
    """Blend a sprite into `pixels`, in place."""
    x, y = placement.silhouette.corner
    window = np.s_[y : y + sprite.shape[0], x : x + sprite.shape[1]]
    opacity = sprite[..., 3:].astype(np.float32) / 255
    below = pixels[window].astype(np.float32)
    pixels[window] = np.round(below + (sprite[..., :3] - below) * opacity)


def _is_apart(a: Sequence[float], b: Sequence[float], gap: float) -> bool:
    """Return whether two boxes are more than `gap` pixels apart."""
    return a[2] + gap < b[0] or b[2] + gap < a[0] or a[3] + gap < b[1] or b[3] + gap < a[1]
