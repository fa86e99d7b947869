"""A region as an answer writes it: its numbers, its label, and the way it is written."""

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from vipllava_cli.engine.prompts.region_conventions import Order, Unit

MAX_REGIONS = 1000  # of an answer
MAX_LABEL = 100  # characters; more is a sentence, not a name
BOX, POINT = 4, 2  # numbers

_NUMBER = re.compile(
    r"[-+]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})(?:[eE][-+]?[0-9]{1,3})?"
)
_SEPARATORS = re.compile(r"[\s,;]+")


@dataclass(frozen=True)
class Written:
    """A way to write a region, with the unit and the order of its numbers.

    `unit` is the unit for a model whose family is unknown; None if the notation does not say it. With
    `is_own`, the unit and the order hold for every family. With `is_named`, only the order does.
    """

    name: str
    unit: Unit | None = None
    order: Order = Order.XYXY
    is_own: bool = False
    is_named: bool = False


JSON = Written("JSON")
PROSE = Written("numbers in prose")
POINT_TEXT = Written("<point>x y</point>")
BOX_TAG = Written("<box>", Unit.THOUSANDTHS)
POINT_TAG = Written("<point x y>", Unit.PERCENT, is_named=True)
LOC_4 = Written("<locNNNN>", Unit.LOC_BINS, Order.YXYX, is_own=True)
LOC = Written("<loc_N>", Unit.THOUSANDTHS, is_own=True)
PATCHES = Written("<patch_index_NNNN>", Unit.FRACTIONS, is_own=True)


@dataclass(frozen=True)
class TextRegion:
    """A region in a text, from the character `start` to `end`.

    `numbers` are four of a box or two of a point, as written; empty if they are no numbers.
    """

    start: int
    end: int
    numbers: tuple[float, ...]
    label: str | None
    written: Written


def read_numbers(text: str, *counts: int) -> tuple[float, ...]:
    """Read a list of numbers. Empty if their count is not in `counts`, or if one is not finite."""
    tokens = _SEPARATORS.split(text.strip(" \t\r\n,;"), max(counts))
    if len(tokens) not in counts or not all(map(_NUMBER.fullmatch, tokens)):
        return ()
    numbers = tuple(map(float, tokens))
    return numbers if all(map(math.isfinite, numbers)) else ()


def clean_label(text: str | None) -> str | None:
    """Return a label on one line, at most MAX_LABEL characters; None if nothing is left.

    Control characters and lone surrogates, which no file of labels can hold, are removed.
    """
    if text is None:
        return None
    kept = "".join(
        each for each in text[: 4 * MAX_LABEL] if each.isspace() or not _is_control(each)
    )
    words = " ".join(kept.split())
    return (words if len(words) <= MAX_LABEL else f"{words[: MAX_LABEL - 1]}…") or None


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs")


def iter_lists(text: str) -> Iterator[str]:
    """Iterate over the insides of the innermost lists in brackets."""
    return (match[1] for match in _LIST.finditer(text))


_LIST = re.compile(r"\[([^][]*)\]")


def without_overlaps(
    regions: Sequence[TextRegion], taken: Sequence[tuple[int, int]]
) -> list[TextRegion]:
    """Return the regions outside the spans `taken`. Both are in the order of their start."""
    kept, position, reach = [], 0, 0
    for region in regions:
        # `reach` is the furthest end of the spans that start before the end of this region.
        while position < len(taken) and taken[position][0] < region.end:
            reach = max(reach, taken[position][1])
            position += 1
        if reach <= region.start:
            kept.append(region)
    return kept
