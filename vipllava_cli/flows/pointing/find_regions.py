"""The final answer -> the regions in it, in the order of the text, each one once."""

import re
from itertools import islice

from vipllava_cli.flows.pointing.json_regions import find_json_regions
from vipllava_cli.flows.pointing.prose import find_bare_boxes
from vipllava_cli.flows.pointing.regions import MAX_REGIONS, TextRegion, without_overlaps
from vipllava_cli.flows.pointing.tags import TAG_FINDERS

MAX_TEXT = 1 << 20  # characters that are read of an answer

_HAS_NUMBERS = re.compile(r"[\[(<\"'=>_]\s{0,9}[0-9.+-]|loc[0-9]")
_THOUGHTS = re.compile(
    r"(?P<start><think(?:ing)?>|◁think▷|<reasoning>)|(?P<end></think(?:ing)?>|◁/think▷|</reasoning>)"
)


def find_regions(text: str) -> list[TextRegion]:
    """Find the regions of an answer, up to MAX_REGIONS. Thoughts before the answer do not count."""
    if not has_regions(text):
        return []
    answer = final_answer(text[:MAX_TEXT])
    tagged = [region for find in TAG_FINDERS for region in islice(find(answer), MAX_REGIONS)]
    tagged.sort(key=lambda region: region.start)
    in_json, objects = find_json_regions(answer)
    found = [*tagged, *without_overlaps(in_json, _spans(tagged))]
    found.sort(key=lambda region: region.start)
    # The other lists of an object are no places.
    taken = sorted([*_spans(found), *objects])
    bare = sorted(islice(find_bare_boxes(answer), MAX_REGIONS), key=lambda region: region.start)
    found += without_overlaps(bare, taken)
    found.sort(key=lambda region: region.start)
    return found[:MAX_REGIONS]


def has_regions(text: str) -> bool:
    """Return whether a text may have regions. Quick, for the many answers that have none."""
    return _HAS_NUMBERS.search(text, 0, MAX_TEXT) is not None


def _spans(regions: list[TextRegion]) -> list[tuple[int, int]]:
    return [(region.start, region.end) for region in regions]


def final_answer(text: str) -> str:
    """Return what follows the thoughts; empty if they do not end."""
    last = None
    for match in _THOUGHTS.finditer(text):
        last = match
    if last is None:
        return text
    return "" if last["start"] else text[last.end() :]
