"""The lines of a YOLO label file -> regions.

A line is a class and numbers, mostly shares of the image's sides from 0 to 1. The numbers are one of:

| numbers | after the class |
|---|---|
| box | `cx cy w h` |
| pose | `cx cy w h`, then `x y` or `x y visibility` for each keypoint |
| outline, oriented box | `x1 y1 x2 y2 …` |

A confidence, a track id, or both may follow. `kpt_shape` in the data.yaml tells poses from outlines.
Without it, the visibilities do.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.json_marks import is_finite_number
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.regions import (
    Region,
    box_mark,
    check_numbers,
    region_mark,
    to_number,
    unreadable_region,
)
from vipllava_cli.sources.yolo_poses import pose_length
from vipllava_cli.storage.counts import count_noun

_BOX = 4  # numbers: cx cy w h
_MIN_OUTLINE = 6  # numbers: three points
_ORIENTED_BOX = 8  # numbers: four corners
_SAME_SHARE = 0.005  # the sides of an oriented box are parallel to this share of the image's sides
_MAX_CLASSES = 1e9
_MAX_SHARE = 1.1  # outlines of trained models reach a little outside the image

_SEPARATOR = re.compile(r"[\s,;]+")
_CLASS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,30})?(?:[eE][-+]?[0-9]{1,2})?")
_NUMBER = r"[-+.\deE]+"
_LINE = re.compile(rf"{_CLASS.pattern}(?:[\s,;]+{_NUMBER}){{4,}}[\s,;]*")
_DECIMAL_COMMA = re.compile(r"-?[0-9]+,[0-9]+")
_WHOLE_NUMBER = re.compile(r"[0-9]+")
_KEYPOINTS = re.compile(r"[\s(\[]*([0-9]{1,6})\s*,\s*([0-9]{1,6})[\s)\]]*")

ClassNames = Mapping[int, str]


@dataclass(frozen=True)
class Keypoints:
    """The `kpt_shape` of a data.yaml: the number of keypoints, and 2 or 3 numbers for each."""

    count: int
    dimensions: int


def looks_like_yolo(line: str) -> bool:
    """Return whether a line of a file looks like a YOLO region."""
    return _LINE.fullmatch(line.strip()) is not None


def read_lines(
    lines: Sequence[str], class_names: ClassNames, keypoints: Keypoints | None
) -> tuple[Region, ...]:
    """Make a region of each line that is not blank."""
    rows = [words for line in lines if (words := _split(line))]
    has_tracks = any(_ends_in_track(words[1:]) for words in rows)
    return tuple(_region(words, class_names, keypoints, has_tracks) for words in rows)


def _split(line: str) -> list[str]:
    words = line.split()
    if len(words) > _BOX and all(map(_DECIMAL_COMMA.fullmatch, words[1:])):
        return [word.replace(",", ".") for word in words]
    return [word for word in _SEPARATOR.split(line) if word]


def _region(
    words: Sequence[str], class_names: ClassNames, keypoints: Keypoints | None, has_tracks: bool
) -> Region:
    number = _class_number(words[0])
    if number is None or (class_names and number not in class_names):
        limit = f" below {max(class_names) + 1}" if class_names else ""
        reason = f"expected a class number{limit}, found {short_repr(words[0])}"
        return unreadable_region(InputError(reason))
    label = class_names.get(number, str(number))
    try:
        parsed = _parse(words[1:], keypoints, has_tracks)
    except InputError as error:
        return Region(label, partial(_fail, error))
    extra = {"confidence": parsed.confidence, "track": parsed.track}
    known = {name: value for name, value in extra.items() if value is not None}
    return Region(label, partial(_mark, parsed, label), known)


def _class_number(word: str) -> int | None:
    """Read a class number. NumPy writes 3 as 3.0 or 3.000000000000000000e+00."""
    value = float(word) if _CLASS.fullmatch(word) else -1.0
    return int(value) if value.is_integer() and 0 <= value < _MAX_CLASSES else None


def _fail(error: InputError) -> MarkSpec:
    raise error


@dataclass(frozen=True)
class _Parsed:
    """The numbers of a region: `cx cy w h`, or the points of an outline."""

    numbers: Sequence[float]
    is_outline: bool = False
    confidence: float | None = None
    track: int | None = None


def _parse(words: Sequence[str], keypoints: Keypoints | None, has_tracks: bool) -> _Parsed:
    """Tell the kinds of lines apart. Raises InputError."""
    values = [to_number(word) for word in words]
    count = len(values)
    if count < _BOX:
        raise _unexpected(count)
    numbers = check_numbers(values, "shares of the image's sides")
    if keypoints:
        return _box(numbers, words, _BOX + keypoints.count * keypoints.dimensions)
    pose = pose_length(numbers)
    if pose:
        return _box(numbers, words, pose)
    is_tracked = _is_oriented_box(numbers, words) or (has_tracks and count != _BOX + 2)
    if is_tracked and _may_end_in_track(words):
        return replace(_parse(words[:-1], None, has_tracks=False), track=int(words[-1][:9]))
    if count <= _BOX + 1:
        return _box(numbers, words, _BOX)
    if count == _BOX + 2 and _is_track(numbers, words, has_tracks):
        return _box(numbers, words, _BOX)
    if count < _MIN_OUTLINE:
        raise _unexpected(count)
    has_confidence = bool(count % 2)
    confidence = numbers[-1] if has_confidence else None
    if confidence is not None and not 0 <= confidence <= 1:
        raise _unexpected(count)
    return _Parsed(numbers[: count - has_confidence], is_outline=True, confidence=confidence)


def _box(numbers: Sequence[float], words: Sequence[str], length: int) -> _Parsed:
    """Read a box of `length` numbers, and a confidence and a track after them. Raises InputError."""
    rest = len(numbers) - length
    # A data.yaml for poses may belong to a dataset with boxes only.
    if rest < 0 and len(numbers) <= _BOX + 2:
        return _box(numbers, words, _BOX)
    if not 0 <= rest <= 2:
        raise InputError(
            f"expected {length} numbers after the class, as kpt_shape says, found {len(numbers)}"
        )
    confidence = numbers[length] if rest else None
    if confidence is not None and not 0 <= confidence <= 1:
        raise InputError(
            f"expected a confidence from 0 to 1 after the box, found {words[length]}: a rotated box is"
            " the x y of its four corners"
        )
    track = None
    if rest == 2:
        if not numbers[-1].is_integer():
            raise InputError(f"expected a whole number as track, found {short_repr(words[-1])}")
        track = int(numbers[-1])
    return _Parsed(numbers[:_BOX], confidence=confidence, track=track)


def _is_oriented_box(numbers: Sequence[float], words: Sequence[str]) -> bool:
    """Return whether the numbers are an oriented box, a confidence, and a track like 1.

    They could also be an outline of five points; then four points are seldom a parallelogram.
    """
    if len(numbers) != _ORIENTED_BOX + 2 or _WHOLE_NUMBER.fullmatch(words[-2]):
        return False
    x1, y1, x2, y2, x3, y3, x4, y4 = numbers[:_ORIENTED_BOX]
    return max(abs(x1 + x3 - x2 - x4), abs(y1 + y3 - y2 - y4)) <= _SAME_SHARE


def _may_end_in_track(words: Sequence[str]) -> bool:
    has_place = len(words) == _BOX + 1 or (len(words) > _BOX and len(words) % 2 == 0)
    return has_place and _WHOLE_NUMBER.fullmatch(words[-1]) is not None


def _ends_in_track(words: Sequence[str]) -> bool:
    """Return whether the last number is the id of a track, above all shares of the sides.

    It follows a box, or the confidence of a box or an outline.
    """
    if not _may_end_in_track(words) or int(words[-1][:9]) <= 1:
        return False
    others = [to_number(word) for word in words[:-1]]
    return all(isinstance(value, float) and abs(value) <= _MAX_SHARE for value in others)


def _is_surely_track(words: Sequence[str]) -> bool:
    """Return whether `cx cy w h confidence id` cannot be an outline of three points."""
    id = words[-1] if words else ""
    return len(words) == _BOX + 2 and _WHOLE_NUMBER.fullmatch(id) is not None and int(id[:9]) > 1


def _is_track(numbers: Sequence[float], words: Sequence[str], has_tracks: bool) -> bool:
    """Return whether six numbers are a box with a track and no outline. Raises InputError."""
    if has_tracks or _is_surely_track(words):
        return True
    x, y, width, height = numbers[:_BOX]
    is_box_inside = abs(x - 0.5) + width / 2 <= 0.501 and abs(y - 0.5) + height / 2 <= 0.501
    if _WHOLE_NUMBER.fullmatch(words[-1]) and is_box_inside:
        raise InputError(
            "expected a box or an outline, found 6 numbers that may be an outline of three points or a"
            f" box with confidence and track: write the last one as {words[-1]}.0 for an outline, or"
            " remove it"
        )
    return False


def _unexpected(count: int) -> InputError:
    return InputError(
        "expected a class and cx cy width height, or a class and the x y of three or more points;"
        f" found {count_noun(count, 'number')} after the class"
    )


def _mark(parsed: _Parsed, label: str) -> MarkSpec:
    outlier = next((value for value in parsed.numbers if abs(value) > _MAX_SHARE), None)
    if outlier is not None:
        raise InputError(
            f"expected shares of the image's sides from 0 to 1, found {outlier:g}: divide pixels by the"
            " image's width and height"
        )
    if parsed.is_outline:
        return region_mark("contour", list(parsed.numbers), label, "unit")
    x, y, width, height = parsed.numbers
    return box_mark(x - width / 2, y - height / 2, width, height, label, "unit")


def parse_keypoints(value: object, file: str) -> Keypoints | None:
    """Read the `kpt_shape` of a file: [17, 3], or (17, 3), which is text in YAML.

    Returns None without one. Raises InputError for any other value: poses would look like outlines.
    """
    if value is None:
        return None
    text = _KEYPOINTS.fullmatch(value) if isinstance(value, str) else None
    numbers = list(map(int, text.groups())) if text else value
    if isinstance(numbers, list) and len(numbers) == 2 and all(map(is_finite_number, numbers)):
        count, dimensions = numbers
        if count >= 1 and dimensions in (2, 3):
            return Keypoints(int(count), int(dimensions))
    raise InputError(
        f"{file}: expected kpt_shape, the number of keypoints and 2 or 3 numbers for each, like [17, 3];"
        f" found {short_repr(value)}"
    )
