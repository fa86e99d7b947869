"""Read the data of Visual7W, PointQA and VCR: one JSON array of rows, and images beside it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from vipllava_cli.engine.prompts.control_words import neutralize
from vipllava_cli.engine.prompts.templates import LETTER_LINE
from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.flows.evals.dataset import MAX_DATA_BYTES, Case, Groups, Sample
from vipllava_cli.flows.evals.output_files import RUN_NAMES
from vipllava_cli.marks.colors import MODEL_COLORS, Color, parse_color
from vipllava_cli.marks.json_marks import is_finite_number
from vipllava_cli.marks.types import Coordinate, MarkSpec
from vipllava_cli.storage.json_files import read_json
from vipllava_cli.storage.similar_names import describe_missing_folder

WIDTH, ALPHA = 3.0, 128 / 255  # of marks in ViP-LLaVA's evaluations

# Parses a row with its id into samples. Raises InputError for a row that cannot be asked.
RowParser = Callable[[Mapping[str, Any], str], Iterator[Sample]]


def read_rows(data: Path, questions: Path | None, fields: Sequence[str]) -> list[Any]:
    """Read the rows of `questions`, or of the only JSON file in the folder. Raises InputError."""
    expected = (
        f"a JSON array of objects with {', '.join(fields)}, and their images in the folder or in"
        " its images/"
    )
    if not data.is_dir():
        raise InputError(describe_missing_folder(str(data), f"expected in it {expected}"))
    file = questions or _find_json_file(data, expected)
    try:
        rows = read_json(file, MAX_DATA_BYTES)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}; expected {expected}") from None
    except ValueError as error:  # includes UnicodeDecodeError
        raise InputError(
            f"{file} is not JSON ({short_repr(str(error))}): expected {expected}"
        ) from None
    if not isinstance(rows, list):
        raise InputError(f"{file} is not a JSON array: expected {expected}")
    return rows


def _find_json_file(data: Path, expected: str) -> Path:
    files = sorted(file for file in data.glob("*.json") if file.name not in RUN_NAMES)
    if len(files) == 1:
        return files[0]
    names = ", ".join(file.name for file in files[:5])
    found = f"several JSON files ({names})" if files else "no JSON file"
    raise InputError(f"{data} has {found}: expected one, {expected}; name it with --questions FILE")


def parse_samples(
    rows: Sequence[Any], limit: int | None, groups: Groups, parse: RowParser
) -> Iterator[Sample]:
    """Yield the samples of the first rows.

    A row that cannot be asked becomes a sample with its error, which fails in these `groups`.
    """
    for number, row in enumerate(islice(rows, limit), 1):
        given = row.get("id") if isinstance(row, Mapping) else None
        id = str(number if given is None else given)
        try:
            if not isinstance(row, Mapping):
                raise InputError(f"row {number} is not an object: found {short_repr(row)}")
            yield from list(parse(row, id))
        except InputError as error:
            image = row.get("image") if isinstance(row, Mapping) else None
            empty = Case("", "", groups)
            yield Sample(id, image if isinstance(image, str) else "", (empty,), error=error)


# --- parts of a row ------------------------------------------------------------------------------


def parse_text(row: Mapping[str, Any], name: str) -> str:
    """Return a text field of the row, stripped. Raises InputError."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f'expected a text "{name}", found {short_repr(value)}')
    return value.strip()


def find_image(row: Mapping[str, Any], data: Path) -> str:
    """Return the path of the row's image. Raises InputError."""
    return str(find_data_file(data, parse_text(row, "image")))


def find_data_file(data: Path, name: str) -> Path:
    """Find a file in the folder or in its images/. Raises InputError.

    The name may begin with `./dataset/`, as in the published files.
    """
    relative = name.removeprefix("./dataset/").lstrip("/")
    candidates = [data / relative, data / "images" / relative]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise InputError(f"there is no {relative} in {data} or in its images/: check the name")
    return path


def parse_boxes(row: Mapping[str, Any], count: int) -> list[tuple[float, ...]]:
    """Return the `count` boxes of the row, [x1, y1, x2, y2] in pixels. Raises InputError."""
    boxes = row.get("bboxes")
    if not isinstance(boxes, list) or len(boxes) != count:
        raise InputError(
            f'expected "bboxes" with {count} of [x1, y1, x2, y2], found {short_repr(boxes)}'
        )
    return [parse_box(box) for box in boxes]


def parse_box(value: Any) -> tuple[float, ...]:
    """Check a box [x1, y1, x2, y2]. Raises InputError."""
    has_numbers = isinstance(value, list) and all(map(is_finite_number, value))
    if not has_numbers or len(value) != 4:
        raise InputError(f"expected a box [x1, y1, x2, y2], found {short_repr(value)}")
    return tuple(map(float, value))


def make_mark(shape: str, points: Sequence[float], color: Color) -> MarkSpec:
    """Make a mark in the style of ViP-LLaVA's evaluations."""
    part = tuple(Coordinate(value) for value in points)
    return MarkSpec(shape, (part,), color=color, width=WIDTH, alpha=ALPHA)


# Used when a row has more objects than the model's training has named colours.
_MORE_COLORS = ("white", "black", "gray", "brown", "pink", "green", "navy", "teal")


def choose_colors(id: str, seed: int, count: int) -> list[Color]:
    """Choose different colours from the row's id and the seed. Raises InputError if there are too few.

    The model's named colours come first.
    """
    trained, others = list(MODEL_COLORS), [parse_color(name) for name in _MORE_COLORS]
    text = f"{seed}:{id}".encode("utf-8", "surrogatepass")
    Random(text).shuffle(trained)  # noqa: S311 - colours, which must be the same in every run
    if count > len(trained) + len(others):
        raise InputError(
            f"the row names {count} objects, but there are only {len(trained) + len(others)} colours"
        )
    return [*trained, *others][:count]


def multiple_choice(
    question: str, options: tuple[str, ...], correct: int, groups: Groups, *, by_text: bool
) -> Case:
    """Make a multiple-choice case. `correct` is the index of the correct option.

    With `by_text`, the question shows no options, and the model scores each text as its answer.
    """
    if by_text:
        options = tuple(neutralize(option).text for option in options)
        return Case(question, options[correct], groups, options, by_text=True)
    return Case(_format_options(question, options), "ABCD"[correct], groups, options)


def _format_options(question: str, options: Sequence[str]) -> str:
    """Append the options behind letters, and the line that asks for a letter."""
    lines = [f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True)]
    return "\n".join([question, *lines, LETTER_LINE])
