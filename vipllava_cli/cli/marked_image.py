"""What every subcommand with marks does first: open the picture and put the marks on it."""

import itertools
import sys

from PIL import Image

from vipllava_cli.cli.options import MarkFlags
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.marks.colors import MODEL_COLORS
from vipllava_cli.marks.coordinates import place_marks
from vipllava_cli.marks.marked_image import MarkedPicture, check_they_show, read_picture
from vipllava_cli.marks.masks import with_outlines
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import Mark


def mark_picture(source: str, flags: MarkFlags, messages: Messages) -> MarkedPicture:
    """The upright picture and the marks that fit it; what was clipped is said. Raises InputError."""
    specs = flags.specs()
    file = read_picture(source)
    _ = file.picture  # a damaged one is said before a model is loaded
    placed = place_marks(with_outlines(specs, file.size), *file.size)
    check_they_show(placed.marks, file.size)
    for note in placed.notes:
        messages.note(note)
    return MarkedPicture(file, placed.marks, flags.numbers)


def pick_marks(picture: Image.Image, marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """The marks and the boxes that the user drags; the boxes are printed as flags."""
    from vipllava_cli.cli.picker import as_corners, pick_boxes

    taken = {mark.color.name for mark in marks}
    free = [color for color in MODEL_COLORS if color.name not in taken]
    texts = [
        f"{color.name}:{as_corners(box)}"
        for color, box in zip(itertools.cycle(free or MODEL_COLORS), pick_boxes(picture))
    ]
    if texts:
        sys.stdout.write(" ".join(f"--box {text}" for text in texts) + "\n")
    specs = [parse_mark("box", text) for text in texts]
    return (*marks, *place_marks(specs, *picture.size).marks)
