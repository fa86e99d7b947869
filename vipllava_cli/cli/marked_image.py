"""What every subcommand with marks does first: open the image and put the marks on it."""

import itertools
import sys

from PIL import Image

from vipllava_cli.cli.options import MarkOptions
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.marked_image import MarkedImage, check_visible, open_image
from vipllava_cli.marks.masks import load_mask_outlines
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import Mark


def open_marked_image(source: str, flags: MarkOptions, messages: Messages) -> MarkedImage:
    """The upright image and the marks that fit it; what was clipped is said. Raises InputError."""
    specs = flags.specs()
    file = open_image(source)
    _ = file.image  # a damaged one is said before a model is loaded
    placed = resolve_coordinates(load_mask_outlines(specs, file.size), *file.size)
    check_visible(placed.marks, file.size)
    for note in placed.notes:
        messages.note(note)
    return MarkedImage(file, placed.marks, flags.numbers)


def pick_marks(image: Image.Image, marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """The marks and the boxes that the user drags; the boxes are printed as flags."""
    from vipllava_cli.cli.picker import as_corners, pick_boxes

    taken = {mark.color.name for mark in marks}
    free = [color for color in MODEL_COLORS if color.name not in taken]
    texts = [
        f"{color.name}:{as_corners(box)}"
        for color, box in zip(itertools.cycle(free or MODEL_COLORS), pick_boxes(image))
    ]
    if texts:
        sys.stdout.write(" ".join(f"--box {text}" for text in texts) + "\n")
    specs = [parse_mark("box", text) for text in texts]
    return (*marks, *resolve_coordinates(specs, *image.size).marks)
