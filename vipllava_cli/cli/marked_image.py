"""Open an image, resolve the marks of the options on it, and let the user draw more."""

from dataclasses import replace
from typing import NamedTuple

from vipllava_cli.cli.image_source import open_named_image
from vipllava_cli.cli.options import MarkOptions
from vipllava_cli.cli.terminal.messages import Messages
from vipllava_cli.images.window import Window
from vipllava_cli.marks.json_marks import MarksFile, read_marks_file
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark


def open_marked_image(
    source: str,
    options: MarkOptions,
    messages: Messages,
    frame: int | None = None,
    window: Window | None = None,
) -> MarkedImage:
    """Open and decode an image and resolve the marks on it. Print notes. Raises InputError."""
    specs, style = options.specs(), options.style()
    file = open_named_image(source, messages, frame, window=window)
    resolved = resolve_marks(specs, file.size, style=style, read_orientation=file.read_orientation)
    messages.note(*resolved.notes)
    return MarkedImage(file, resolved.marks, options.numbers)


def open_annotated_image(
    source: str,
    options: MarkOptions,
    messages: Messages,
    frame: int | None = None,
    window: Window | None = None,
) -> MarkedImage:
    """Open an image to show it: the marks of an answer in the file of marks are drawn as such.

    Prints notes. Raises InputError.
    """
    units, typed = options.units.value, options.typed_specs()
    saved = MarksFile([], []) if options.marks is None else read_marks_file(options.marks, units)
    file = open_named_image(source, messages, frame, window=window)
    marks: list[Mark] = []
    for specs in ([*saved.marks, *typed], saved.answer_marks):
        resolved = resolve_marks(
            specs,
            file.size,
            style=options.style(),
            existing=marks,
            read_orientation=file.read_orientation,
        )
        messages.note(*resolved.notes)
        marks += resolved.marks
    count = len(marks) - len(saved.answer_marks)
    return MarkedImage(
        file, tuple(marks[:count]), options.numbers, answer_marks=tuple(marks[count:])
    )


class PickedMarks(NamedTuple):
    """An image with all its marks. `options` are the drawn marks as the command line takes them."""

    marked: MarkedImage
    options: str


def pick_more_marks(
    marked: MarkedImage, options: MarkOptions, messages: Messages
) -> PickedMarks | None:
    """Let the user draw more marks in a window.

    If the user cancels, prints so and returns None. Raises UsageError if there is no display.
    """
    from vipllava_cli.cli.picker.pick import as_options, pick_marks
    from vipllava_cli.cli.picker.screen import check_display

    check_display()
    picked = pick_marks(marked.file.image, marked.marks, options.style(), numbers=marked.numbers)
    if picked is None:
        messages.say("cancelled: no file is written and no question asked")
        return None
    all_marks = (*marked.marks, *picked)
    typed = as_options(picked, marked.file.size, options.units)
    return PickedMarks(replace(marked, marks=all_marks), typed)
