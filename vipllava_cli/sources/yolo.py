"""YOLO: a text file for each image, a line for each region -> annotated images.

A line is `class cx cy width height`, shares of the image from 0 to 1, with the confidence as a
sixth number where a model wrote it; a longer one is `class x1 y1 x2 y2 …`, an outline. The files
lie beside the images, or in `labels/` where the images lie in `images/`.
https://docs.ultralytics.com/datasets/detect/
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.marks.types import MarkSpec
from vipllava_cli.sources.files import count_noun, head, text
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    numbers,
    region_mark,
    unknown_region,
)
from vipllava_cli.sources.rows import BadRow

_SAMPLES = 20
_LINE = re.compile(r"\d+(?:\s+[-+.\deE]+){4,}\s*")
_IMAGES, _LABELS = "images", "labels"
# Of the class file, from the folder, which may be the `images` of a set or a split below them.
_PLACES = ("", _LABELS, os.pardir, os.path.join(os.pardir, os.pardir))

Names = Mapping[int, str]


def is_yolo(folder: str, images: Sequence[str]) -> bool:
    """Whether the first label files of the images that say anything read like such."""
    files = filter(None, (label_file(os.path.join(folder, image)) for image in images))
    for file in islice(files, _SAMPLES):
        line = head(file).decode("utf-8", "replace").strip().partition("\n")[0]
        if line:
            return _LINE.fullmatch(line) is not None
    return False


def read_yolo(name: str) -> Annotations:
    """The images of a folder, or of the folder that a `data.yaml` describes. Raises InputError
    where no image has a label file.
    """
    if os.path.isdir(name):
        folder, names = name, _folder_names(name)
    else:
        folder, names = _described_folder(name), _described_names(name)
    found = list_folder(folder).images
    images = [path for path in found if _IMAGES in path.split("/")[:-1]] or list(found)
    if not any(label_file(os.path.join(folder, path)) for path in images):
        raise InputError(
            f"{name} is not YOLO: none of its {count_noun(len(images), 'image')} has a .txt beside"
            f" it, or in {_LABELS}/ where it lies in {_IMAGES}/"
        )
    return Annotations(
        name,
        "yolo",
        partial(_images, folder, images, names),
        tuple(names.values()),
        notes=() if names else (f"no class file in {name}: the labels are the classes' numbers",),
    )


def label_file(image: str) -> str | None:
    """The label file of an image: in the `labels` that stands for the last `images` of its path,
    or beside it; None where there is none.
    """
    stem = os.path.splitext(image)[0] + ".txt"
    folder, own = os.path.split(os.path.abspath(stem))
    before, _, after = f"{folder}{os.sep}".rpartition(f"{os.sep}{_IMAGES}{os.sep}")
    elsewhere = os.path.join(before, _LABELS, after, own) if before else stem
    return next((file for file in (elsewhere, stem) if os.path.isfile(file)), None)


def _images(folder: str, images: Sequence[str], names: Names) -> Iterator[AnnotatedImage | BadRow]:
    for name in images:
        image = os.path.normpath(os.path.join(folder, name))
        file = label_file(image)
        try:
            found = [line for line in text(file).splitlines() if line.strip()] if file else []
        except InputError as error:
            yield BadRow(name, image, error)
        else:
            regions = tuple(_region(line.split(), names) for line in found)
            yield AnnotatedImage(name, image, file or image, regions)


def _region(words: Sequence[str], names: Names) -> Region:
    number = int(words[0]) if re.fullmatch(r"[0-9]{1,9}", words[0]) else None
    if number is None or (names and number not in names):
        among = f" below {max(names) + 1}" if names else ""
        why = f"expected the number of a class{among}, found {short_repr(words[0])}"
        return unknown_region(InputError(why))
    label = names.get(number, str(number))
    values = [_number(word) for word in words[1:]]
    extra = {"confidence": values[4]} if len(values) == 5 else {}
    return Region(label, partial(_mark, values, label), extra)


def _mark(values: Sequence[float | str], label: str) -> MarkSpec:
    count = len(values)
    if count not in (4, 5) and (count < 6 or count % 2):
        raise InputError(
            f"expected a class, then cx cy width height or the x y of three points or more; found"
            f" {count_noun(count, 'number')} after the class"
        )
    shares = numbers(values, "shares of the image's sides")
    if count > 5:
        return region_mark("contour", shares, label, "unit")
    x, y, width, height = shares[:4]
    return box_mark(x - width / 2, y - height / 2, width, height, label, "unit")


def _number(word: str) -> float | str:
    """The number; a word that is none is refused, and shown, further on."""
    try:
        return float(word)
    except ValueError:
        return word


# --- classes ---------------------------------------------------------------------------------


def _folder_names(folder: str) -> Names:
    """The classes' names by number, from the first class file; none without one."""
    for place in _PLACES:
        for own, read in _CLASS_FILES.items():
            file = os.path.join(folder, place, own)
            if os.path.isfile(file):
                return read(file)
    return {}


def _listed_names(file: str) -> Names:
    """A class a line."""
    return {number: line.strip() for number, line in enumerate(text(file).splitlines())}


def _described_names(file: str) -> Names:
    """The `names` of a `data.yaml`, a list or an object. Raises InputError."""
    names = _yaml(file).get("names")
    if not isinstance(names, dict | list) or not names:
        raise InputError(
            f'{file}: expected "names", a list of the classes; found {short_repr(names)}'
        )
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    try:
        return {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError):
        raise InputError(f"{file}: the names' keys are the classes' numbers, 0, 1, …") from None


def _described_folder(file: str) -> str:
    """The folder that `path` names, where it is there as seen from the file; else the file's own."""
    own = os.path.dirname(file) or os.curdir
    path = _yaml(file).get("path")
    named = os.path.join(own, path) if isinstance(path, str) else own
    return os.path.normpath(named if os.path.isdir(named) else own)


def _yaml(file: str) -> Mapping[str, Any]:
    """An object in YAML. Raises InputError."""
    import yaml

    try:
        value = yaml.safe_load(text(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}" if mark else str(error).partition("\n")[0]
        raise InputError(f"{file} is not YAML that can be read ({at}): mend it") from None
    if not isinstance(value, dict):
        raise InputError(f'{file}: expected an object with "names", found {short_repr(value)}')
    return value


_CLASS_FILES: Mapping[str, Callable[[str], Names]] = {
    "data.yaml": _described_names,
    "dataset.yaml": _described_names,
    "data.yml": _described_names,
    "classes.txt": _listed_names,
    "obj.names": _listed_names,
}
