"""The data that a user has of a benchmark: one JSON array of rows, and the images beside it."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from vipllava_cli.engine.prompts.control_words import neutralize
from vipllava_cli.engine.prompts.templates import LETTER_LINE
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.dataset import Case, Groups, Sample
from vipllava_cli.marks.colors import MODEL_COLORS, Color, parse_color
from vipllava_cli.marks.types import Coordinate, MarkSpec

WIDTH, ALPHA = 3.0, 128 / 255  # of marks in the published evaluations

# What a row is made into; it raises InputError for one that cannot be asked.
RowReader = Callable[[Mapping[str, Any], str], Iterator[Sample]]


def read_rows(data: Path, questions: Path | None, fields: Sequence[str]) -> list[Any]:
    """The rows of `questions`, or of the one JSON file in the folder. Raises InputError."""
    expected = (
        f"a JSON array of objects with {', '.join(fields)}, and their images in the folder or in"
        " its images/"
    )
    if not data.is_dir():
        raise InputError(f"there is no folder {data}: expected in it {expected}")
    file = questions or _only_file(data, expected)
    try:
        rows = json.loads(file.read_bytes())
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}; expected {expected}") from None
    except ValueError as error:  # also of bytes that are no text
        raise InputError(
            f"{file} is no JSON ({short_repr(str(error))}): expected {expected}"
        ) from None
    if not isinstance(rows, list):
        raise InputError(f"{file} holds no array: expected {expected}")
    return rows


def _only_file(data: Path, expected: str) -> Path:
    files = sorted(data.glob("*.json"))
    if len(files) == 1:
        return files[0]
    names = ", ".join(file.name for file in files[:5])
    found = f"several JSON files ({names})" if files else "no JSON file"
    raise InputError(f"{data} has {found}: expected one, {expected}; --questions FILE names it")


def read_pages(
    rows: Sequence[Any], limit: int | None, groups: Groups, reader: RowReader
) -> Iterator[Sample]:
    """The pages of the first rows; a row that cannot be asked is a page with its error."""
    for number, row in enumerate(islice(rows, limit), 1):
        id = str(row.get("id", number)) if isinstance(row, Mapping) else str(number)
        try:
            if not isinstance(row, Mapping):
                raise InputError(f"row {number} is no object: found {short_repr(row)}")
            yield from list(reader(row, id))
        except InputError as error:
            image = row.get("image") if isinstance(row, Mapping) else None
            empty = Case("", "", groups)
            yield Sample(id, image if isinstance(image, str) else "", (empty,), error=error)


# --- parts of a row ------------------------------------------------------------------------------


def words_of(row: Mapping[str, Any], name: str) -> str:
    """A text of the row. Raises InputError."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f'expected a text "{name}", found {short_repr(value)}')
    return value.strip()


def image_of(row: Mapping[str, Any], data: Path) -> str:
    """Where the row's image lies: in the folder or in its images/. Raises InputError."""
    return str(find_data_file(data, words_of(row, "image")))


def find_data_file(data: Path, name: str) -> Path:
    """A file of the data, by a name that may begin as in the published files. Raises InputError."""
    own = name.removeprefix("./dataset/").lstrip("/")
    places = [data / own, data / "images" / own]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"there is no {own} in {data} or in its images/: check the name")
    return found


def boxes_of(row: Mapping[str, Any], count: int) -> list[tuple[float, ...]]:
    """So many boxes, each x1, y1, x2, y2 in pixels. Raises InputError."""
    boxes = row.get("bboxes")
    if not isinstance(boxes, list) or len(boxes) != count:
        raise InputError(
            f'expected "bboxes" with {count} of [x1, y1, x2, y2], found {short_repr(boxes)}'
        )
    return [box_of(box) for box in boxes]


def box_of(value: Any) -> tuple[float, ...]:
    """x1, y1, x2, y2. Raises InputError."""
    numbers = isinstance(value, list) and all(type(number) in (int, float) for number in value)
    if not numbers or len(value) != 4:
        raise InputError(f"expected a box [x1, y1, x2, y2], found {short_repr(value)}")
    return tuple(map(float, value))


def mark(shape: str, points: Sequence[float], color: Color) -> MarkSpec:
    """A mark as the published evaluations draw it."""
    part = tuple(Coordinate(value) for value in points)
    return MarkSpec(shape, (part,), color=color, width=WIDTH, alpha=ALPHA)


# For more objects than the model has named colours.
_MORE_COLORS = ("white", "black", "gray", "brown", "pink", "green", "navy", "teal")


def colors_for(id: str, seed: int, count: int) -> list[Color]:
    """Different colours for so many marks, drawn by the row's id and the seed: those that the model
    knows, and for more objects others. Raises InputError.
    """
    draw = Random(f"{seed}:{id}")
    known, more = list(MODEL_COLORS), [parse_color(name) for name in _MORE_COLORS]
    draw.shuffle(known)
    if count > len(known) + len(more):
        raise InputError(
            f"{count} objects are named, and there are names for {len(known) + len(more)} colours"
        )
    return [*known, *more][:count]


def choice(
    question: str, options: tuple[str, ...], right: int, groups: Groups, *, by_text: bool
) -> Case:
    """A multiple choice; `by_text` shows no options, and weighs each as the answer."""
    if by_text:
        options = tuple(neutralize(option).text for option in options)
        return Case(question, options[right], groups, options, scored=True)
    return Case(lettered(question, options), "ABCD"[right], groups, options)


def lettered(question: str, options: Sequence[str]) -> str:
    """The question, its options behind letters, and the line that asks for a letter."""
    lines = [f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True)]
    return "\n".join([question, *lines, LETTER_LINE])
