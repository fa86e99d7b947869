"""Regions as bare numbers in prose: `[x1, y1, x2, y2]` and `(x1,y1),(x2,y2)`.

The second form is Qwen2-VL's notation after a server removed its special tokens. Only the numbers of a
model with a known convention count as regions. Numbers that cannot be the sorted corners of a visible box
do not count.
"""

import re
from collections.abc import Iterator

from vipllava_cli.flows.pointing.regions import (
    BOX,
    POINT,
    PROSE,
    TextRegion,
    read_numbers,
)

_LIST = re.compile(r"\[([0-9][0-9.,\s]*+)\]")
_CORNERS = re.compile(r"\(([0-9][0-9.,\s]{2,40}+)\)\s{0,9},?\s{0,9}\(([0-9][0-9.,\s]{2,40}+)\)")


def find_bare_boxes(text: str) -> Iterator[TextRegion]:
    """Find boxes in brackets, and in two pairs of parentheses."""
    for match in _LIST.finditer(text):
        yield from _region(match, read_numbers(match[1], BOX))
    for match in _CORNERS.finditer(text):
        pairs = [read_numbers(each, POINT) for each in match.groups()]
        yield from _region(match, pairs[0] + pairs[1] if all(pairs) else ())


def _region(match: re.Match[str], numbers: tuple[float, ...]) -> Iterator[TextRegion]:
    if numbers and numbers[0] < numbers[2] and numbers[1] < numbers[3]:
        yield TextRegion(match.start(), match.end(), numbers, None, PROSE)
