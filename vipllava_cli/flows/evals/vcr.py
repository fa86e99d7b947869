"""VCR: a question about persons and things at points, an answer of four, and the reason for it.

The rows are those of ViP-LLaVA's evaluation: `id`, `image`, `meta_dir`, `class_names`, and `question`,
`answer_choices` and `rationale_choices`, lists that mix words with lists of object numbers, with
`answer_label` and `rationale_label`. A meta file has `boxes`, [x1, y1, x2, y2, score], and `segms`,
polygons of [x, y].
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.dataset import Case, Groups, Result, Sample
from vipllava_cli.flows.evals.json_rows import (
    box_of,
    choice,
    colors_for,
    find_data_file,
    image_of,
    mark,
    read_pages,
    read_rows,
)
from vipllava_cli.flows.evals.metrics import Rule
from vipllava_cli.marks.colors import Color
from vipllava_cli.marks.types import MarkSpec

FIELDS = (
    "id",
    "image",
    "meta_dir",
    "class_names",
    "question",
    "answer_choices (4)",
    "answer_label",
    "rationale_choices (4)",
    "rationale_label",
)
ANSWER, RATIONALE, BOTH = "Q to A", "QA to R", "Q to AR"
GROUPS: Groups = {"task": (ANSWER, RATIONALE)}
# A third party's copy of the table; of the 7B base fine-tuned on VCR.
PUBLISHED = {"published": {"task": {BOTH: {"ViP-LLaVA 7B": 78.93}}}}
_CLOSING = (".", ",", "?", "!", ":", ";")  # no space before these

Words = Sequence[str | list[int]]  # a list of numbers stands for objects


def samples(
    data: Path, questions: Path | None, limit: int | None, seed: int, *, by_text: bool = False
) -> Iterator[Sample]:
    """Two pages for each row: what is the answer, and given that, why. Raises InputError."""
    rows = read_rows(data, questions, FIELDS)
    return read_pages(rows, limit, GROUPS, lambda row, id: _samples(row, id, data, seed, by_text))


def both(results: Iterable[Result], rule: Rule) -> list[Result]:
    """A result for each row that was asked both: its example is right where answer and rationale are."""
    rows: dict[str, list[Result]] = {}
    for result in results:
        rows.setdefault(result.id.rpartition("/")[0] or result.id, []).append(result)
    combined = []
    for id, parts in rows.items():
        failed = any(part.answer is None for part in parts)
        right = len(parts) == 2 and not failed and all(rule(part) == 1 for part in parts)
        answer = None if failed else "yes" if right else "no"
        combined.append(Result(id, Case("", "yes", {"task": BOTH}), answer))
    return combined


# --- a row -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Objects:
    """What a task speaks of: the marks, and the words for each object."""

    marks: tuple[MarkSpec, ...]
    colors: Mapping[int, Color]
    names: Sequence[str]

    def text(self, words: Words) -> str:
        """The words as a sentence, each object by its name and its point."""
        text = ""
        for part in words:
            said = self._named(part, begins=not text) if isinstance(part, list) else part
            text += said if not text or said in _CLOSING else f" {said}"
        return text

    def _named(self, numbers: Sequence[int], *, begins: bool) -> str:
        each = [f"the {self.names[n]} at {self.colors[n].name} point" for n in numbers]
        said = " and ".join(each)
        return said[0].upper() + said[1:] if begins else said


def _samples(
    row: Mapping[str, Any], id: str, data: Path, seed: int, by_text: bool
) -> Iterator[Sample]:
    image = image_of(row, data)
    places = _places(row, data)
    question = _words(row, "question")
    answers, rationales = _choices(row, "answer"), _choices(row, "rationale")
    right, why = _label(row, "answer"), _label(row, "rationale")

    objects = _objects(row, f"{id}/answer", seed, places, [question, *answers])
    options = tuple(map(objects.text, answers))
    asked = objects.text(question)
    case = choice(asked, options, right, {"task": ANSWER}, by_text=by_text)
    yield Sample(f"{id}/answer", image, (case,), objects.marks)

    objects = _objects(
        row, f"{id}/rationale", seed, places, [question, answers[right], *rationales]
    )
    options = tuple(map(objects.text, rationales))
    given = (
        "I give you a question and its answer, I need you to provide a rationale explaining why the"
        f' answer is right. "{objects.text(question)}" The answer is'
        f' "{objects.text(answers[right])}".What is the rationale for this decision?'
    )
    case = choice(given, options, why, {"task": RATIONALE}, by_text=by_text)
    yield Sample(f"{id}/rationale", image, (case,), objects.marks)


def _objects(
    row: Mapping[str, Any],
    id: str,
    seed: int,
    places: Sequence[tuple[float, float]],
    texts: Iterable[Words],
) -> _Objects:
    """The objects that the texts name, in the order in which they do. Raises InputError."""
    names = row.get("class_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f'expected "class_names", a list of texts, found {short_repr(names)}')
    numbers: dict[int, None] = {}
    for text in texts:
        numbers |= dict.fromkeys(n for part in text if isinstance(part, list) for n in part)
    for number in numbers:
        if not 0 <= number < min(len(names), len(places)):
            raise InputError(
                f"object {number} is named, and there are {len(names)} class names and"
                f" {len(places)} boxes"
            )
    colors = dict(zip(numbers, colors_for(id, seed, len(numbers)), strict=True))
    marks = tuple(mark("point", places[number], colors[number]) for number in numbers)
    return _Objects(marks, colors, names)


def _words(row: Mapping[str, Any], name: str) -> Words:
    return _checked(row.get(name), name)


def _checked(value: Any, name: str) -> Words:
    if not isinstance(value, list) or not value or not all(map(_is_word, value)):
        raise InputError(
            f'expected "{name}", a list of words and lists of object numbers, found {short_repr(value)}'
        )
    return value


def _is_word(part: Any) -> bool:
    if isinstance(part, list):
        return bool(part) and all(type(number) is int for number in part)
    return isinstance(part, str) and bool(part)


def _choices(row: Mapping[str, Any], what: str) -> list[Words]:
    name = f"{what}_choices"
    value = row.get(name)
    if not isinstance(value, list) or len(value) != 4:
        raise InputError(f'expected "{name}" with 4 choices, found {short_repr(value)}')
    return [_checked(choice, name) for choice in value]


def _label(row: Mapping[str, Any], what: str) -> int:
    value = row.get(f"{what}_label")
    if type(value) is not int or not 0 <= value < 4:
        raise InputError(
            f'expected "{what}_label", a number from 0 to 3, found {short_repr(value)}'
        )
    return value


# --- the meta file -----------------------------------------------------------------------------


def _places(row: Mapping[str, Any], data: Path) -> list[tuple[float, float]]:
    """A point on each object. Raises InputError."""
    name = row.get("meta_dir")
    if not isinstance(name, str) or not name:
        raise InputError(f'expected "meta_dir", the name of a meta file, found {short_repr(name)}')
    path = find_data_file(data, name)
    try:
        meta = json.loads(path.read_bytes())
        boxes = [box_of(box[:4]) for box in meta["boxes"]]
        segments = meta.get("segms") or [[]] * len(boxes)
        polygons = [
            [np.array(p, np.float32).reshape(-1, 2) for p in parts if len(p) > 2]
            for parts in segments
        ]
        return [_point(box, parts) for box, parts in zip(boxes, polygons, strict=True)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} is no meta file of VCR: expected boxes and as many segms ({short_repr(str(error))})"
        ) from None


def _point(
    box: tuple[float, ...], polygons: Sequence[np.ndarray[Any, np.dtype[np.float32]]]
) -> tuple[float, float]:
    """The middle of the box, or, if its largest polygon does not cover that, the place deepest in it."""
    left, top, right, bottom = box
    middle = ((left + right) / 2, (top + bottom) / 2)
    if not polygons:
        return middle
    largest = max(polygons, key=lambda polygon: float(cv2.contourArea(polygon)))
    if cv2.pointPolygonTest(largest, middle, False) >= 0:
        return middle
    corner = largest.min(0) - 1
    width, height = (largest.max(0) - corner + 2).astype(int).tolist()
    if not 0 < width * height < 100_000_000:
        return middle
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [np.round(largest - corner).astype(np.int32)], 255)
    _, _, _, deepest = cv2.minMaxLoc(cv2.distanceTransform(inside, cv2.DIST_L2, 5))
    return float(corner[0] + deepest[0]), float(corner[1] + deepest[1])
