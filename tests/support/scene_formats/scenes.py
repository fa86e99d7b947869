"""A set of clip-art images with regions of all kinds, and the images as bytes."""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from PIL import Image

from vipllava_cli.flows.evals.clipart.outlines import outline
from vipllava_cli.flows.evals.clipart.scenes import (
    FULL,
    Placement,
    SceneStyle,
    make_scene,
    scene_rng,
)

_STREAM = 77  # of scenes that nothing else uses
_STYLE = SceneStyle(("plain", "gradient", "striped"), longer_sides=((160, 420),))
_ORIENTATION_TAG, _TURNED = 0x0112, 6

BOX, POLYGON, ROTATED, POINT = "box", "polygon", "rotated", "point"
_KINDS = (BOX, POLYGON, BOX, ROTATED, POINT)

NAMES = (
    "a.jpg",
    "photo one.png",
    "Straße 7.jpg",
    "train/b.png",
    "train/hôtel.jpg",
    "turned.jpg",
    "val/deep/c.jpeg",
    "螺栓.png",
    "x-1.final.jpg",
    "IMG_0001.JPG",
    "001.png",
    "z (2).jpg",
)


@dataclass(frozen=True)
class SceneRegion:
    """A region in pixels of the upright image.

    `points` are the two corners of a box, the outline of a polygon, or a point. A rotated box has the
    corners that it has without its rotation, which is `degrees` clockwise about its centre.
    """

    kind: str
    label: str
    points: tuple[tuple[float, float], ...]
    degrees: float = 0.0

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom, without the rotation."""
        xs, ys = zip(*self.points, strict=True)
        return min(xs), min(ys), max(xs), max(ys)

    @property
    def outline(self) -> tuple[tuple[float, float], ...]:
        """The points of what a program draws: for a rotated box, its four corners."""
        return self.corners if self.kind == ROTATED else self.points

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """The four corners of a box, from the top left one on, with its rotation."""
        left, top, right, bottom = self.box
        x, y = (left + right) / 2, (top + bottom) / 2
        cos, sin = math.cos(math.radians(self.degrees)), math.sin(math.radians(self.degrees))
        return tuple(
            (x + (px - x) * cos - (py - y) * sin, y + (px - x) * sin + (py - y) * cos)
            for px, py in ((left, top), (right, top), (right, bottom), (left, bottom))
        )


@dataclass(frozen=True)
class SceneImage:
    """An image file and its regions. `size` is the upright width and height."""

    name: str
    data: bytes
    size: tuple[int, int]
    is_turned: bool
    regions: tuple[SceneRegion, ...]

    @property
    def file_name(self) -> str:
        """The name without folders."""
        return self.name.rpartition("/")[2]

    @property
    def stem(self) -> str:
        return self.file_name.rpartition(".")[0]

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)


def select(images: Sequence[SceneImage], kinds: Sequence[str]) -> list[SceneImage]:
    """Keep the regions of these kinds."""
    return [
        replace(image, regions=tuple(each for each in image.regions if each.kind in kinds))
        for image in images
    ]


@cache
def scene_set() -> tuple[SceneImage, ...]:
    """Make the images. Each has a box; most have a polygon, a rotated box and a point too."""
    return tuple(_scene_image(number, name) for number, name in enumerate(NAMES))


def label_number(label: str) -> str:
    """Return the number of a label among those of the boxes in the set."""
    labels = {each.label for image in scene_set() for each in image.regions if each.kind == BOX}
    return str(sorted(labels).index(label))


def _scene_image(number: int, name: str) -> SceneImage:
    rng = scene_rng(_STREAM, number)
    classes = rng.choice(FULL.object_classes, size=len(_KINDS), replace=False).tolist()
    scene = make_scene(rng, FULL, _STYLE, classes=classes)
    regions = []
    for kind, placement in zip(_KINDS, scene.placements, strict=False):
        contour = outline(rng, "contour", placement.silhouette)[0] if kind == POLYGON else ()
        regions.append(_region(kind, placement, contour, degrees=float(rng.integers(5, 80))))
    is_turned = name.startswith("turned")
    data = _encode(scene.image, name, is_turned=is_turned)
    return SceneImage(name, data, scene.image.size, is_turned, tuple(regions))


def _region(
    kind: str, placement: Placement, contour: Sequence[tuple[float, float]], degrees: float
) -> SceneRegion:
    label = placement.object_class.name
    left, top, right, bottom = placement.box
    if kind == POLYGON:
        return SceneRegion(kind, label, tuple((round(x, 2), round(y, 2)) for x, y in contour))
    if kind == POINT:
        return SceneRegion(kind, label, (placement.center,))
    if kind == ROTATED:
        return SceneRegion(kind, label, ((left, top + 4), (right, bottom - 4)), degrees)
    return SceneRegion(kind, label, ((left, top), (right, bottom)))


def _encode(image: Image.Image, name: str, *, is_turned: bool) -> bytes:
    """Encode an image. A turned one has other axes in the file than on the screen."""
    buffer, exif = io.BytesIO(), Image.Exif()
    if is_turned:
        exif[_ORIENTATION_TAG] = _TURNED
        image = image.transpose(Image.Transpose.ROTATE_90)
    if name.lower().endswith(".png"):
        image.save(buffer, "PNG")
    else:
        image.save(buffer, "JPEG", quality=90, exif=exif)
    return buffer.getvalue()
