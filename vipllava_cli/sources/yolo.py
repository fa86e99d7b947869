"""YOLO: one text file per image, one line per region -> annotated images.

A line is `class cx cy width height`, in shares of the image's sides from 0 to 1. A detector adds the
confidence as a sixth number. A longer line is an outline: `class x1 y1 x2 y2 …`. The label files are
beside the images, or in `labels/` if the images are in `images/`.
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
from vipllava_cli.sources.files import read_head, read_text
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.regions import (
    AnnotatedImage,
    Annotations,
    Region,
    box_mark,
    check_numbers,
    region_mark,
    unreadable_region,
)
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.storage.counts import count_noun

_MAX_SAMPLES = 20  # label files that detection reads
_LINE = re.compile(r"\d+(?:\s+[-+.\deE]+){4,}\s*")
_IMAGES, _LABELS = "images", "labels"
# Folders that may contain the class file, relative to the source folder. The source may be the `images/`
# of a dataset, or a split below it.
_CLASS_FILE_FOLDERS = ("", _LABELS, os.pardir, os.path.join(os.pardir, os.pardir))

ClassNames = Mapping[int, str]


def is_yolo(folder: str, images: Sequence[str]) -> bool:
    """Return whether the first non-empty label file of the images looks like YOLO."""
    files = filter(None, (find_label_file(os.path.join(folder, image)) for image in images))
    for file in islice(files, _MAX_SAMPLES):
        line = read_head(file).decode("utf-8", "replace").strip().partition("\n")[0]
        if line:
            return _LINE.fullmatch(line) is not None
    return False


def read_yolo(name: str) -> Annotations:
    """Read a YOLO folder, or the folder that a `data.yaml` describes.

    Raises InputError if no image has a label file.
    """
    if os.path.isdir(name):
        folder, class_names = name, _folder_class_names(name)
    else:
        folder, class_names = _yaml_folder(name), _yaml_class_names(name)
    paths = list_folder(folder).images
    images = [path for path in paths if _IMAGES in path.split("/")[:-1]] or list(paths)
    if not any(find_label_file(os.path.join(folder, path)) for path in images):
        raise InputError(
            f"{name} is not YOLO: expected a .txt beside one of its"
            f" {count_noun(len(images), 'image')}, or in {_LABELS}/ for images in {_IMAGES}/"
        )
    return Annotations(
        name,
        SourceFormat.yolo,
        partial(_iter_images, folder, images, class_names),
        tuple(class_names.values()),
        notes=() if class_names else (f"no class file in {name}: the labels are class numbers",),
    )


def find_label_file(image: str) -> str | None:
    """Find the label file of an image, or return None.

    It is in `labels` instead of the last `images` folder of the path, or beside the image.
    """
    stem = os.path.splitext(image)[0] + ".txt"
    folder, own_name = os.path.split(os.path.abspath(stem))
    before, _, after = f"{folder}{os.sep}".rpartition(f"{os.sep}{_IMAGES}{os.sep}")
    in_labels = os.path.join(before, _LABELS, after, own_name) if before else stem
    return next((file for file in (in_labels, stem) if os.path.isfile(file)), None)


def _iter_images(
    folder: str, images: Sequence[str], class_names: ClassNames
) -> Iterator[AnnotatedImage | BadRow]:
    for name in images:
        image = os.path.normpath(os.path.join(folder, name))
        file = find_label_file(image)
        try:
            lines = read_text(file).splitlines() if file else []
        except InputError as error:
            yield BadRow(name, image, error)
        else:
            regions = tuple(_region(line.split(), class_names) for line in lines if line.strip())
            yield AnnotatedImage(name, image, file or image, regions)


def _region(words: Sequence[str], class_names: ClassNames) -> Region:
    number = int(words[0]) if re.fullmatch(r"[0-9]{1,9}", words[0]) else None
    if number is None or (class_names and number not in class_names):
        limit = f" below {max(class_names) + 1}" if class_names else ""
        reason = f"expected a class number{limit}, found {short_repr(words[0])}"
        return unreadable_region(InputError(reason))
    label = class_names.get(number, str(number))
    values = [_number(word) for word in words[1:]]
    extra = {"confidence": values[4]} if len(values) == 5 else {}
    return Region(label, partial(_mark, values, label), extra)


def _mark(values: Sequence[float | str], label: str) -> MarkSpec:
    count = len(values)
    if count not in (4, 5) and (count < 6 or count % 2):
        raise InputError(
            "expected a class and cx cy width height, or a class and the x y of three or more points;"
            f" found {count_noun(count, 'number')} after the class"
        )
    shares = check_numbers(values, "shares of the image's sides")
    if count > 5:
        return region_mark("contour", shares, label, "unit")
    x, y, width, height = shares[:4]
    return box_mark(x - width / 2, y - height / 2, width, height, label, "unit")


def _number(word: str) -> float | str:
    """Convert a word to a number. Other words stay as they are: `check_numbers` reports them."""
    try:
        return float(word)
    except ValueError:
        return word


# --- classes ---------------------------------------------------------------------------------


def _folder_class_names(folder: str) -> ClassNames:
    """Read the first class file. Returns an empty mapping if there is none."""
    for subfolder in _CLASS_FILE_FOLDERS:
        for name, read in _CLASS_FILES.items():
            file = os.path.join(folder, subfolder, name)
            if os.path.isfile(file):
                return read(file)
    return {}


def _listed_class_names(file: str) -> ClassNames:
    """Read a text file with one class per line."""
    return {number: line.strip() for number, line in enumerate(read_text(file).splitlines())}


def _yaml_class_names(file: str) -> ClassNames:
    """Read the `names` of a `data.yaml`: a list, or an object with numbers as keys. Raises InputError."""
    names = _load_yaml(file).get("names")
    if not isinstance(names, dict | list) or not names:
        raise InputError(
            f'{file}: expected "names", a list of class names; found {short_repr(names)}'
        )
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    try:
        return {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError):
        raise InputError(f'{file}: expected class numbers 0, 1, … as keys of "names"') from None


def _yaml_folder(file: str) -> str:
    """Return the folder that `path` names, relative to the file. Falls back to the file's folder."""
    own_folder = os.path.dirname(file) or os.curdir
    path = _load_yaml(file).get("path")
    named = os.path.join(own_folder, path) if isinstance(path, str) else own_folder
    return os.path.normpath(named if os.path.isdir(named) else own_folder)


def _load_yaml(file: str) -> Mapping[str, Any]:
    """Parse a YAML file that contains an object. Raises InputError."""
    import yaml

    try:
        content = yaml.safe_load(read_text(file))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else str(error).partition("\n")[0]
        raise InputError(f"{file} is not valid YAML ({where}): correct it") from None
    if not isinstance(content, dict):
        raise InputError(f'{file}: expected an object with "names", found {short_repr(content)}')
    return content


_CLASS_FILES: Mapping[str, Callable[[str], ClassNames]] = {
    "data.yaml": _yaml_class_names,
    "dataset.yaml": _yaml_class_names,
    "data.yml": _yaml_class_names,
    "classes.txt": _listed_class_names,
    "obj.names": _listed_class_names,
}
