"""Clip-art scenes of known objects side by side."""

from collections.abc import Mapping

import numpy as np
from PIL import Image

from vipllava_cli.flows.evals.clipart.objects import OBJECT_CLASSES
from vipllava_cli.flows.evals.clipart.outlines import Silhouette
from vipllava_cli.flows.evals.clipart.scenes import MarkedScene, Placement, Scene
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.types import Mark


def object_row(*names: str, marked: Mapping[str, str]) -> MarkedScene:
    """Make a black image of 100 x 100 pixels per object, each a square of 60 pixels at (20, 20).

    `marked` gives the colour of the box on some of the objects.
    """
    size = (100 * len(names), 100)
    classes = [
        next(index for index, shown in enumerate(OBJECT_CLASSES) if shown.name == name)
        for name in names
    ]
    placements = tuple(
        Placement(index, Silhouette(np.full((60, 60), 255, np.uint8), (100 * at + 20, 20), size))
        for at, index in enumerate(classes)
    )
    marks = tuple(
        Mark("box", (((0.0, 0.0), (1.0, 1.0)),), parse_color(color)) for color in marked.values()
    )
    scene = Scene(Image.new("RGB", size), placements)
    return MarkedScene(scene, marks, tuple(names.index(name) for name in marked))
