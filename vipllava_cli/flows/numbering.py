"""Numbers beside the marks of an image, where only they tell the marks apart."""

from collections.abc import Sequence
from dataclasses import replace

from vipllava_cli.engine.prompts.phrases import object_phrase, repeated_phrases
from vipllava_cli.engine.prompts.questions import needs_numbers
from vipllava_cli.marks.marked_image import MarkedImage
from vipllava_cli.marks.numbers import count_numbers
from vipllava_cli.marks.types import Mark


def with_numbers(
    marked: MarkedImage, texts: Sequence[str] = ()
) -> tuple[MarkedImage, tuple[str, ...]]:
    """Add numbers if the questions `texts` need them. Returns notes, too.

    `texts` are questions as typed, with placeholders.
    """
    notes: tuple[str, ...] = ()
    if not marked.style.draws_marks:
        return marked, ()
    if not marked.numbers:
        if not needs_numbers(texts, marked.marks):
            return marked, ()
        marked, notes = replace(marked, numbers=True), (_numbers_note(marked.marks),)
    count = len(marked.marks)
    drawn = count_numbers(count, marked.file.size)
    if drawn < count:
        width, height = marked.file.size
        notes += (f"only {drawn} of {count} numbers have room on the {width}x{height} image",)
    return marked, notes


def _numbers_note(marks: Sequence[Mark]) -> str:
    repeated = repeated_phrases(marks)
    first = next(mark for mark in marks if object_phrase(mark) in repeated)
    same = [n for n, mark in enumerate(marks, 1) if object_phrase(mark) == object_phrase(first)]
    return (
        f"marks {same[0]} and {same[1]} are both a {first.color.name} {first.shape}: drew numbers"
        " beside the marks, which tell them apart"
    )
