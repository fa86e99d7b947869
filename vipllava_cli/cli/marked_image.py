"""Open an image, resolve the marks of the options on it, and let the user pick more."""

import sys

from PIL import Image

from vipllava_cli.cli.image_source import open_named_image
from vipllava_cli.cli.options import MarkOptions
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark, MarkStyle


def open_marked_image(
    source: str, options: MarkOptions, messages: Messages, frame: int | None = None
) -> MarkedImage:
    """Open and decode an image and resolve the marks on it. Print notes. Raises InputError."""
    specs, style = options.specs(), options.style()
    file = open_named_image(source, messages, frame)
    _ = file.image  # decode now: report a damaged image before a model loads
    resolved = resolve_marks(specs, file.size, style=style)
    for note in resolved.notes:
        messages.note(note)
    return MarkedImage(file, resolved.marks, options.numbers)


def pick_marks(image: Image.Image, marks: tuple[Mark, ...], style: MarkStyle) -> tuple[Mark, ...]:
    """Let the user drag boxes, print them as options on stdout, and return all marks.

    Raises UsageError if there is no display.
    """
    from vipllava_cli.cli.picker import as_corners, pick_boxes

    specs = [parse_mark("box", as_corners(box)) for box in pick_boxes(image)]
    picked = resolve_marks(specs, image.size, style=style, existing=marks).marks
    if picked:
        options = (f"--box {mark.color}:{as_corners(mark.bounds)}" for mark in picked)
        sys.stdout.write(" ".join(options) + "\n")
    return (*marks, *picked)
