"""Regions in tags and special tokens.

Qwen-VL, Qwen2-VL, InternVL, MiniCPM-V and GLM-V write boxes in tags, PaliGemma and Florence-2 as location
tokens, Kosmos-2 as patches, and Molmo points as attributes. Every pattern reads a text once.
"""

import re
from collections.abc import Callable, Iterator, Sequence

from vipllava_cli.flows.pointing.regions import (
    BOX,
    BOX_TAG,
    LOC,
    LOC_4,
    PATCHES,
    POINT,
    POINT_TAG,
    POINT_TEXT,
    TextRegion,
    clean_label,
    iter_lists,
    read_numbers,
)

# --- <ref>…</ref><box>…</box> ----------------------------------------------------------------

_REF_OR_BOX = re.compile(
    r"(?:<ref>|<\|object_ref_start\|>)(?P<ref>[^<>]*)(?:</ref>|<\|object_ref_end\|>)"
    r"|(?P<tag><box>|<\|box_start\|>|<\|begin_of_box\|>|<point>)(?P<inside>[^<>]*)"
    r"(?P<end></box>|<\|box_end\|>|<\|end_of_box\|>|</point>|<[/|a-z_]{0,12}\Z|\Z)"
)
_NUMBERS_ONLY = re.compile(r"[\s0-9.,;()\[\]+eE-]*")
_PAIR = re.compile(r"\(([^()]*)\)")
_GLM = "<|begin_of_box|>"  # holds any final answer, also two numbers without a place
_POINT = "<point>"
_BETWEEN = " \t\r\n,;:"


def find_boxes(text: str) -> Iterator[TextRegion]:
    """Find boxes and points in tags. A label before a tag belongs to its regions."""
    label, label_end = None, -1
    for match in _REF_OR_BOX.finditer(text):
        if match["ref"] is not None:
            label, label_end = clean_label(match["ref"]), match.end()
            continue
        is_labelled = label_end >= 0 and not text[label_end : match.start()].strip(_BETWEEN)
        label = label if is_labelled else None
        label_end = match.end()
        written = POINT_TEXT if match["tag"] == _POINT else BOX_TAG
        for numbers in _coordinates(match["tag"], match["inside"], is_closed=bool(match["end"])):
            yield TextRegion(match.start(), match.end(), numbers, label, written)


def _coordinates(tag: str, inside: str, *, is_closed: bool) -> Iterator[tuple[float, ...]]:
    """Yield the numbers of each region in a tag. The last list of a cut answer may be incomplete."""
    counts = (BOX,) if tag == _GLM else (POINT,) if tag == _POINT else (BOX, POINT)
    if "[" in inside:
        if tag != _GLM or _NUMBERS_ONLY.fullmatch(inside):
            yield from (read_numbers(each, *counts) for each in iter_lists(inside))
    elif "(" in inside:
        pairs = [read_numbers(match[1], POINT) for match in _PAIR.finditer(inside)]
        if len(pairs) == 1 and is_closed and POINT in counts:
            yield pairs[0]
        for one, other in zip(pairs[::2], pairs[1::2], strict=False):
            yield one + other if one and other else ()
    elif is_closed and tag != _GLM:
        yield read_numbers(inside, *counts)


# --- location tokens -------------------------------------------------------------------------

_LOC_4 = re.compile(
    r"<loc([0-9]{4})><loc([0-9]{4})><loc([0-9]{4})><loc([0-9]{4})>"
    r"(?:<seg[0-9]{3}>)*+(?P<label>[^<;\n]*)"
)


def find_loc_4(text: str) -> Iterator[TextRegion]:
    """Find PaliGemma's boxes: `<locNNNN>` four times, then the label."""
    for match in _LOC_4.finditer(text):
        numbers = tuple(map(float, match.groups()[:BOX]))
        label = clean_label(match["label"])
        yield TextRegion(match.start(), match.end(), numbers, label, LOC_4)


_LOCS = re.compile(r"(?:<loc_[0-9]{1,3}>)++")
_LOC = re.compile(r"[0-9]+")


def find_locs(text: str) -> Iterator[TextRegion]:
    """Find Florence-2's boxes: a label, then `<loc_N>` four times for each box.

    Eight tokens may be the corners of a slanted text, so all boxes of a run have sorted corners.
    """
    end = 0
    for match in _LOCS.finditer(text):
        numbers = [float(each) for each in _LOC.findall(match[0])]
        boxes = [tuple(numbers[n : n + BOX]) for n in range(0, len(numbers), BOX)]
        label, end = _label_before(text, end, match.start()), match.end()
        is_sorted = all(len(box) == BOX and box[0] < box[2] and box[1] < box[3] for box in boxes)
        for box in boxes if is_sorted else [()]:
            yield TextRegion(match.start(), match.end(), box, label, LOC)


def _label_before(text: str, start: int, end: int) -> str | None:
    """Return the end of the line before `end`, without a tag before it."""
    head = text[max(start, end - 400) : end].rstrip()
    return clean_label(head[max(head.rfind("\n"), head.rfind(">")) + 1 :].strip(_BETWEEN))


_PATCHES = re.compile(
    r"(?:<phrase>(?P<label>[^<>]*)</phrase>\s*+)?<object>(?P<inside>[^\s]*?)</object>"
)
_PATCH_PAIR = re.compile(r"<patch_index_([0-9]{4})><patch_index_([0-9]{4})>")
_GRID = 32  # patches a side


def find_patches(text: str) -> Iterator[TextRegion]:
    """Find Kosmos-2's boxes: the first and the last of 32 x 32 patches, in rows."""
    if "<patch_index_" not in text:
        return
    for match in _PATCHES.finditer(text):
        for pair in _PATCH_PAIR.finditer(match["inside"]):
            (top, left), (bottom, right) = (divmod(int(each), _GRID) for each in pair.groups())
            corners = (left, top, right + 1, bottom + 1)
            numbers = tuple(each / _GRID for each in corners)
            label = clean_label(match["label"])
            yield TextRegion(match.start(), match.end(), numbers, label, PATCHES)


# --- <point x="…" y="…"> ---------------------------------------------------------------------

_POINTS = re.compile(r"<points?\s(?P<attributes>[^<>]*+)(?:>(?:(?P<inside>[^<>]*+)</points?>)?|\Z)")
_ATTRIBUTE = re.compile(r"([a-z]{1,9})([0-9]{0,6})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)')")


def find_points(text: str) -> Iterator[TextRegion]:
    """Find Molmo's points: `<point x="…" y="…" alt="…">` and `<points x1="…" y1="…" …>`."""
    for match in _POINTS.finditer(text):
        values: dict[tuple[str, str], str] = {}
        for name, number, one, other in _ATTRIBUTE.findall(match["attributes"]):
            values.setdefault((name, number), one or other)
        label = clean_label(values.get(("alt", "")) or match["inside"])
        for (name, number), x in values.items():
            y = values.get(("y", number))
            if name == "x" and y is not None:
                numbers = read_numbers(f"{x},{y}", POINT)
                yield TextRegion(match.start(), match.end(), numbers, label, POINT_TAG)


TAG_FINDERS: Sequence[Callable[[str], Iterator[TextRegion]]] = (
    find_boxes,
    find_loc_4,
    find_locs,
    find_patches,
    find_points,
)
