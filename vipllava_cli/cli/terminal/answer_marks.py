"""The marks that an answer points at, in words."""

from collections.abc import Sequence

from vipllava_cli.marks.json_marks import mark_to_json
from vipllava_cli.marks.types import Mark
from vipllava_cli.storage.counts import count_noun

MAX_DESCRIBED = 8
MAX_POINTS = 50


def describe_mark(mark: Mark) -> str:
    """Describe a mark as the user can type it: `box red:10,20,110,220`.

    The outline of a mask image may have thousands of points: their number and the box around them stand
    for more than MAX_POINTS.
    """
    points = sum(map(len, mark.parts))
    if points > MAX_POINTS:
        around = ",".join(f"{value:g}" for value in mark.bounds)
        return f"{mark.shape} {mark.color} of {points} points within {around}"
    coords = mark_to_json(mark)["coords"]
    parts = coords if isinstance(coords[0], list) else [coords]
    numbers = " and ".join(",".join(f"{value:g}" for value in part) for part in parts)
    return f"{mark.shape} {mark.color}:{numbers}"


def describe_answer_marks(marks: Sequence[Mark]) -> str:
    """Describe the marks of an answer on one line: how many, where, and their labels."""
    texts = [
        describe_mark(mark) + (f' "{mark.label}"' if mark.label else "")
        for mark in marks[:MAX_DESCRIBED]
    ]
    rest = len(marks) - len(texts)
    more = f", and {count_noun(rest, 'other')}" if rest else ""
    return f"the answer points at {count_noun(len(marks), 'region')}: {', '.join(texts)}{more}"
