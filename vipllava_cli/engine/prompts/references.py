"""How questions refer to marks: the style of `--mark-style`, and the words of each mark in it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from vipllava_cli.engine.prompts.phrases import (
    SHAPE_WORDS,
    TONES,
    color_words,
    object_phrase,
    repeated_phrases,
)
from vipllava_cli.engine.prompts.place_text import write_place
from vipllava_cli.engine.prompts.region_conventions import (
    RegionConvention,
    Unit,
    find_convention,
)
from vipllava_cli.engine.prompts.region_units import to_units
from vipllava_cli.errors import UsageError
from vipllava_cli.images.resized import SizeLimits, fit_size
from vipllava_cli.images.square import place_for_model
from vipllava_cli.marks.enlarged_regions import is_below
from vipllava_cli.marks.reference_style import AUTO, WITHOUT_COORDINATES, ReferenceStyle
from vipllava_cli.marks.types import Mark

# Pixels of an image for a model that counts those of the resized image. Servers have different limits
# (1280 patches of 28 x 28 is the least that is common), and resize a smaller image to itself.
_MAX_SENT_PIXELS = 1280 * 28 * 28

_SPOTS = ("point", "arrow")  # shapes that show a point


@dataclass(frozen=True)
class Reference:
    """How the questions of a run refer to marks.

    `convention` is that of the model's coordinates, which are of an image padded to a square if the model
    `pads_image`.
    """

    style: ReferenceStyle = ReferenceStyle.drawn
    convention: RegionConvention | None = None
    pads_image: bool = True

    @property
    def size_limits(self) -> SizeLimits | None:
        """The sizes of the image to send; None if the model's own resizing changes no coordinate."""
        if self.convention is None or self.convention.unit is not Unit.RESIZED_PIXELS:
            return None
        limits = self.convention.size_limits
        return replace(limits, max_pixels=min(limits.max_pixels, _MAX_SENT_PIXELS))


DRAWN = Reference()


def choose_reference(
    name: str,
    family: str,
    model: str,
    *,
    pads_image: bool = True,
    limits: SizeLimits | None = None,
) -> Reference:
    """Return the reference of a style, `auto` for that of the model's family.

    `family`, `pads_image` and `limits` are those of `ModelInfo`, `model` is the name for a message.
    Raises UsageError for coordinates if the family documents no way to write them.
    """
    convention = find_convention(family, limits)
    if name == AUTO:
        style = convention.style if convention else ReferenceStyle.drawn
    else:
        style = ReferenceStyle(name)
    if not style.writes_places:
        return Reference(style)
    if convention is None:
        raise UsageError(
            f"no documentation says how {model} reads coordinates: use the mark style"
            f" {', '.join(WITHOUT_COORDINATES[:-1])} or {WITHOUT_COORDINATES[-1]}"
        )
    return Reference(style, convention, pads_image)


@dataclass(frozen=True)
class MarkNames:
    """The words for each mark of an image in a question.

    `size` is the width and height of the image or its crop, and `marks` are in its pixels. With
    `per_line`, each line of a text is a question of its own. `earlier` is the text of a conversation.
    """

    marks: Sequence[Mark]
    size: tuple[int, int]
    reference: Reference = DRAWN
    per_line: bool = False
    earlier: str = ""

    def object(self, number: int) -> str:
        """Return the words for `{number}`."""
        return _OBJECTS[self.reference.style](self, number)

    def rename(self, text: str) -> str:
        """Replace the user's names of marks, like "the red box", by those of the style."""
        style = self.reference.style
        if not self.marks or style in (ReferenceStyle.drawn, ReferenceStyle.crop):
            return text
        return self._mark_name.sub(self._rename, text)

    def introduce(self, text: str) -> str:
        """Put the places of all marks before a question that contains none of them.

        A conversation that contains all of them needs no more.
        """
        if not self.marks or not self.reference.style.writes_places:
            return text
        if all(place in self.earlier for place in self._places):
            return text
        questions = text.split("\n") if self.per_line else [text]
        return "\n".join(
            question
            if any(place in question for place in self._places)
            else f"{self._preamble} {question}"
            for question in questions
        )

    @cached_property
    def _preamble(self) -> str:
        places = [self._noun(number) for number in range(1, len(self.marks) + 1)]
        listed = places[0] if len(places) == 1 else f"{', '.join(places[:-1])} and {places[-1]}"
        return f"Look at {listed}."

    # --- coordinates ---------------------------------------------------------------------------

    def place(self, number: int) -> str:
        """Write the place of a mark as the model's family does."""
        return self._places[number - 1]

    @cached_property
    def _places(self) -> Sequence[str]:
        convention, limits = self.reference.convention, self.reference.size_limits
        assert convention is not None  # noqa: S101 - `choose_reference` finds it for these styles
        whole = place_for_model(self.size, is_padded=self.reference.pads_image)
        size = fit_size(whole.frame, limits) if limits else whole.frame
        texts = []
        for mark in self.marks:
            place = whole.to_sent(_pointed_place(mark))
            sent = [value * size[at % 2] / whole.frame[at % 2] for at, value in enumerate(place)]
            texts.append(write_place(to_units(sent, size, convention), convention))
        return texts

    # --- names in the words of the user --------------------------------------------------------

    @cached_property
    def _numbers_by_name(self) -> Mapping[str, int]:
        """The number of the mark that a name like `red box` means: the first that has it."""
        numbers: dict[str, int] = {}
        # A dark green box is `the green box` only if there is no lime one, which people call green.
        for some in (slice(1), slice(2, None), slice(1, 2)):
            for number, mark in enumerate(self.marks, 1):
                for color in color_words(mark.color)[some]:
                    for shape in SHAPE_WORDS[mark.shape]:
                        numbers.setdefault(f"{color} {shape}", number)
        return numbers

    @cached_property
    def _mark_name(self) -> re.Pattern[str]:
        names = sorted(self._numbers_by_name, key=len, reverse=True)
        alternatives = "|".join(re.escape(name).replace(r"\ ", r"\s+") for name in names)
        return re.compile(
            rf"(?:\b(?P<article>the)\s+)?\b(?P<name>{alternatives})\b(?:\s+numbered\s+(?P<number>\d+)\b)?",
            re.IGNORECASE,
        )

    def _rename(self, match: re.Match[str]) -> str:
        before = match.string[: match.start("name")].split()
        # `the dark red box` and `the dark-red box` are no red one
        if before and before[-1].lower().removesuffix("-") in TONES:
            return match[0]
        name = " ".join(match["name"].lower().split())
        number = self._numbers_by_name[name]
        if match["number"] and 1 <= int(match["number"]) <= len(self.marks):
            number = int(match["number"])
        words = self._renamed(number, match[0])
        is_start = (match["article"] or "")[:1].isupper()
        return words[0].upper() + words[1:] if is_start else words

    def _renamed(self, number: int, typed: str) -> str:
        if self.reference.style is ReferenceStyle.coordinates_drawn:
            return f"{typed} ({self._kind(number)} {self.place(number)})"
        return self._noun(number)

    def _noun(self, number: int) -> str:
        """Name the place that a mark shows, where the user names the mark."""
        shape = self.marks[number - 1].shape
        if self.reference.style is ReferenceStyle.numbered:
            return f"arrow {number}" if shape == "arrow" else f"region {number}"
        if shape == "arrow":
            return f"the arrow with its tip at {self.place(number)}"
        return f"the {self._kind(number)} {self.place(number)}"

    def _kind(self, number: int) -> str:
        is_spot = self.marks[number - 1].shape in _SPOTS
        return "point" if is_spot else "region"

    # --- words for {1} -------------------------------------------------------------------------

    def drawn_object(self, number: int) -> str:
        """Name a marked object in the words of the model's training."""
        phrase = object_phrase(self.marks[number - 1])
        return f"{phrase} numbered {number}" if phrase in self._repeated else phrase

    @cached_property
    def _repeated(self) -> set[str]:
        return repeated_phrases(self.marks)

    def located_object(self, number: int) -> str:
        """Name a marked object by its coordinates."""
        kind = self._kind(number)
        return f"the object {'at' if kind == 'point' else 'in'} the {kind} {self.place(number)}"

    def drawn_and_located_object(self, number: int) -> str:
        """Name a marked object by its mark and its coordinates."""
        return f"{self.drawn_object(number)} ({self._kind(number)} {self.place(number)})"

    def enlarged_object(self, number: int) -> str:
        """Name a marked object by its mark, and say where its region is enlarged."""
        side = "below" if is_below(self.size) else "on the right"
        several = f" as number {number}" if len(self.marks) > 1 else ""
        return f"{object_phrase(self.marks[number - 1])} (shown enlarged {side}{several})"


def _pointed_place(mark: Mark) -> Sequence[float]:
    """Return the box around a mark; of a point its place, and of an arrow that of its tip."""
    if mark.shape in _SPOTS:
        return mark.parts[0][-1]
    return mark.bounds


_OBJECTS = {
    ReferenceStyle.drawn: MarkNames.drawn_object,
    ReferenceStyle.numbered: lambda names, number: f"region {number}",
    ReferenceStyle.coordinates: MarkNames.located_object,
    ReferenceStyle.coordinates_drawn: MarkNames.drawn_and_located_object,
    ReferenceStyle.crop: MarkNames.enlarged_object,
}
