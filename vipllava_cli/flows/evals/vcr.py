"""VCR: a question about persons and objects at points, four answers, and four rationales.

The rows are those of ViP-LLaVA's evaluation: `id`, `image`, `meta_dir`, `class_names`, and `question`,
`answer_choices` and `rationale_choices`, lists that mix words with lists of object indices, with
`answer_label` and `rationale_label`. A meta file has `boxes`, [x1, y1, x2, y2, score], and `segms`,
polygons of [x, y].
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.benchmark import Benchmark, DatasetOptions
from vipllava_cli.flows.evals.dataset import MAX_DATA_BYTES, Groups, Result, Sample
from vipllava_cli.flows.evals.json_rows import (
    choose_colors,
    find_data_file,
    find_image,
    make_mark,
    multiple_choice,
    parse_box,
    parse_samples,
    read_rows,
)
from vipllava_cli.flows.evals.scorers import SCORERS, Scorer, combine
from vipllava_cli.marks.colors import Color
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.storage.json_files import read_json

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
# The task in a sample's id. `~2` follows if the row's id repeats.
_TASK = re.compile(r"/(answer|rationale)(?=(~\d+)?$)")
_CLOSING = (".", ",", "?", "!", ":", ";")  # no space before these

_MAX_COORDINATE = 1e6  # pixels; no image is that large

Words = Sequence[str | list[int]]  # a list of indices names objects


def load(options: DatasetOptions) -> Iterator[Sample]:
    """Return two samples for each row: the answer, and its rationale. Raises InputError."""
    rows = read_rows(options.data, options.questions, FIELDS)
    return parse_samples(rows, options.limit, GROUPS, lambda row, id: _parse_row(row, id, options))


def combine_rows(results: Iterable[Result], scorer: Scorer) -> list[Result]:
    """Return a Q to AR result for each row: correct if both the answer and the rationale are."""
    rows: dict[tuple[str, bool], list[Result]] = {}
    for result in results:
        # A row that cannot be asked is one result without a task, perhaps with the id of another row.
        id = _TASK.sub("", result.id)
        rows.setdefault((id, id == result.id), []).append(result)
    return [combine(id, parts, scorer, {"task": BOTH}) for (id, _), parts in rows.items()]


# --- a row -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Objects:
    """The objects that a task names: their marks, and their colours and class names by index."""

    marks: tuple[MarkSpec, ...]
    colors: Mapping[int, Color]
    names: Sequence[str]

    def text(self, words: Words) -> str:
        """Join the words to a sentence, each object by its class and its point."""
        text = ""
        for word in words:
            phrase = self._phrase(word, is_first=not text) if isinstance(word, list) else word
            text += phrase if not text or phrase in _CLOSING else f" {phrase}"
        return text

    def _phrase(self, indices: Sequence[int], *, is_first: bool) -> str:
        each = [f"the {self.names[n]} at {self.colors[n].name} point" for n in indices]
        phrase = " and ".join(each)
        return phrase[0].upper() + phrase[1:] if is_first else phrase


def _parse_row(row: Mapping[str, Any], id: str, options: DatasetOptions) -> Iterator[Sample]:
    image = find_image(row, options.data)
    points = _read_points(row, options.data)
    question = _parse_words(row.get("question"), "question")
    answers, rationales = _parse_choices(row, "answer"), _parse_choices(row, "rationale")
    correct_answer, correct_rationale = _parse_label(row, "answer"), _parse_label(row, "rationale")

    def sample(task: str, group: str, texts: Sequence[Words], choices: Sequence[Words]) -> Sample:
        sample_id = f"{id}/{task}"
        objects = _name_objects(row, sample_id, options.seed, points, [*texts, *choices])
        sentences = [objects.text(text) for text in texts]
        case = multiple_choice(
            sentences[0] if len(sentences) == 1 else _RATIONALE_QUESTION.format(*sentences),
            tuple(map(objects.text, choices)),
            correct_answer if task == "answer" else correct_rationale,
            {"task": group},
            by_text=options.by_text,
        )
        return Sample(sample_id, image, (case,), objects.marks)

    yield sample("answer", ANSWER, [question], answers)
    yield sample("rationale", RATIONALE, [question, answers[correct_answer]], rationales)


# Source: ViP-LLaVA's evaluation code, which has no space after the answer.
_RATIONALE_QUESTION = (
    "I give you a question and its answer, I need you to provide a rationale explaining why the"
    ' answer is right. "{}" The answer is "{}".What is the rationale for this decision?'
)


def _name_objects(
    row: Mapping[str, Any],
    id: str,
    seed: int,
    points: Sequence[tuple[float, float]],
    texts: Iterable[Words],
) -> _Objects:
    """Return the objects that the texts name, in the order of their names. Raises InputError."""
    names = row.get("class_names")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f'expected "class_names", a list of texts, found {short_repr(names)}')
    indices: dict[int, None] = {}
    for text in texts:
        indices |= dict.fromkeys(n for word in text if isinstance(word, list) for n in word)
    for index in indices:
        if not 0 <= index < min(len(names), len(points)):
            raise InputError(
                f"the row names object {index}, but there are {len(names)} class names and"
                f" {len(points)} boxes"
            )
    colors = dict(zip(indices, choose_colors(id, seed, len(indices)), strict=True))
    marks = tuple(make_mark("point", points[index], colors[index]) for index in indices)
    return _Objects(marks, colors, names)


def _parse_words(value: Any, name: str) -> Words:
    if not isinstance(value, list) or not value or not all(map(_is_word, value)):
        raise InputError(
            f'expected "{name}", a list of words and lists of object indices, found'
            f" {short_repr(value)}"
        )
    return value


def _is_word(value: Any) -> bool:
    if isinstance(value, list):
        return bool(value) and all(type(index) is int for index in value)
    return isinstance(value, str) and bool(value)


def _parse_choices(row: Mapping[str, Any], task: str) -> list[Words]:
    name = f"{task}_choices"
    value = row.get(name)
    if not isinstance(value, list) or len(value) != 4:
        raise InputError(f'expected "{name}" with 4 choices, found {short_repr(value)}')
    return [_parse_words(choice, name) for choice in value]


def _parse_label(row: Mapping[str, Any], task: str) -> int:
    value = row.get(f"{task}_label")
    if type(value) is not int or not 0 <= value < 4:
        raise InputError(
            f'expected "{task}_label", a number from 0 to 3, found {short_repr(value)}'
        )
    return value


# --- the meta file -----------------------------------------------------------------------------


def _read_points(row: Mapping[str, Any], data: Path) -> list[tuple[float, float]]:
    """Read the meta file of a row, and return a point on each object. Raises InputError."""
    name = row.get("meta_dir")
    if not isinstance(name, str) or not name:
        raise InputError(f'expected "meta_dir", the name of a meta file, found {short_repr(name)}')
    path = find_data_file(data, name)
    try:
        meta = read_json(path, MAX_DATA_BYTES)
        boxes = [parse_box(box[:4]) for box in meta["boxes"]]
        segments = meta.get("segms") or [[]] * len(boxes)
        polygons = [
            [_parse_polygon(points) for points in parts if len(points) > 2] for parts in segments
        ]
        return [_point_on(box, parts) for box, parts in zip(boxes, polygons, strict=True)]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise InputError(
            f"{path} is not a meta file of VCR: expected boxes and as many segms"
            f" ({short_repr(str(error))})"
        ) from None


def _parse_polygon(points: Any) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the points [x, y] of a polygon. Raises ValueError, OverflowError."""
    polygon = np.array(points, np.float64).reshape(-1, 2)
    if not (np.abs(polygon) < _MAX_COORDINATE).all():
        raise ValueError("a polygon has a coordinate that is no finite number of pixels")
    return polygon.astype(np.float32)


def _point_on(
    box: tuple[float, ...], polygons: Sequence[np.ndarray[Any, np.dtype[np.float32]]]
) -> tuple[float, float]:
    """Return the centre of the box, or the innermost point of its largest polygon.

    The second is for an object that does not cover the centre of its box, like the letter L.
    """
    left, top, right, bottom = box
    center = ((left + right) / 2, (top + bottom) / 2)
    if not polygons:
        return center
    largest = max(polygons, key=lambda polygon: float(cv2.contourArea(polygon)))
    if cv2.pointPolygonTest(largest, center, False) >= 0:
        return center
    corner = largest.min(0) - 1
    width, height = (largest.max(0) - corner + 2).astype(int).tolist()
    if not 0 < width * height < 100_000_000:
        return center
    inside = np.zeros((height, width), np.uint8)
    cv2.fillPoly(inside, [np.round(largest - corner).astype(np.int32)], 255)
    _, _, _, deepest = cv2.minMaxLoc(cv2.distanceTransform(inside, cv2.DIST_L2, 5))
    return float(corner[0] + deepest[0]), float(corner[1] + deepest[1])


VCR = Benchmark(
    name="vcr",
    load=load,
    scorers={"published": SCORERS["exact"], "lenient": SCORERS["letter"]},
    # A third-party copy of the table; the 7B base fine-tuned on VCR.
    published={"published": {"task": {BOTH: {"ViP-LLaVA 7B": 78.93}}}},
    facts=lambda options: {
        "by": options.by,
        "seed": options.seed,
        "limit": options.limit,
        "images": "in their own aspect ratio; the published run squashes them",
    },
    overall=("task", BOTH),
    combine=combine_rows,
)
