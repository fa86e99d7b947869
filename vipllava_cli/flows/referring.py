"""Let an image and the questions about it refer to its marks in a style."""

from collections.abc import Sequence
from dataclasses import replace

from vipllava_cli.engine.prompts.questions import needs_numbers
from vipllava_cli.engine.prompts.references import MarkNames, Reference
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.types import Mark


def with_reference(marked: MarkedImage, reference: Reference) -> MarkedImage:
    """Return the image as a style shows it, with numbers if the style names marks by them."""
    return replace(
        marked,
        style=reference.style,
        size_limits=reference.size_limits,
        numbers=marked.numbers or reference.style.needs_numbers(len(marked.marks)),
    )


def draws_numbers(
    reference: Reference, texts: Sequence[str], marks: Sequence[Mark], *, numbers: bool
) -> bool:
    """Return whether numbers are drawn beside these marks; `numbers` is the user's choice."""
    style = reference.style
    return (
        numbers
        or style.needs_numbers(len(marks))
        or (style.draws_marks and needs_numbers(texts, marks))
    )


def name_marks(
    marked: MarkedImage, reference: Reference, *, has_fields: bool = False, earlier: str = ""
) -> MarkNames:
    """Return the words for the marks on an image. With fields, each line of a text is a question.

    `earlier` holds the questions of a conversation.
    """
    return MarkNames(marked.shown_marks, marked.shown_size, reference, has_fields, earlier)
