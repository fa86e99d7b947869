"""The class names of a YOLO dataset: where they are, and how each file writes them."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.sources.darknet import find_near, read_entries
from vipllava_cli.sources.files import read_head_text, read_text
from vipllava_cli.sources.yaml_files import load_yaml
from vipllava_cli.sources.yolo_lines import ClassNames, Keypoints, parse_keypoints

LABELS = "labels"

# Folders that may contain the class file, relative to the source folder. The source may be the `images/`
# of a dataset, or a split below it.
_CLASS_FILE_FOLDERS = ("", LABELS, os.pardir, os.path.join(os.pardir, os.pardir))
_PARTS = ("images", LABELS, "train", "val", "valid", "test")
_MAX_DIGITS = 9  # of a class number
_CONTAINERS = (dict, list, tuple, set)
_YAML_NAMES = re.compile(r"^names\s*:", re.MULTILINE)
_YAML_ENTRIES = re.compile(r"^(names|nc|kpt_shape|path|train|val|test)\s*:", re.MULTILINE)


@dataclass(frozen=True)
class DatasetInfo:
    """The class names of a dataset by number, and the keypoints of its poses.

    `note` says why there are no names.
    """

    class_names: ClassNames
    keypoints: Keypoints | None = None
    note: str = ""


def folder_info(folder: str, others: Sequence[str], encoding: str | None = None) -> DatasetInfo:
    """Read the first class file. `others` are the files below the folder that are no images.

    Class files elsewhere below the folder count if they have the same names. Returns no names without
    one. Raises InputError for a class file that is malformed.
    """
    yaml_files = list(_dataset_yamls(folder, others))
    info = _read_first(folder, others, yaml_files, encoding)
    if info.keypoints or any(os.path.basename(file) in _CLASS_FILES for file in yaml_files):
        return info
    # The names may be in another file than the keypoints, without which poses look like outlines.
    shapes = {keypoints: file for file in yaml_files if (keypoints := _keypoints(file, encoding))}
    if len(shapes) > 1:
        files = " and ".join(list(shapes.values())[:2])
        raise InputError(f"{files} have different kpt_shape: give one of them as the source")
    return replace(info, keypoints=next(iter(shapes), None))


def _keypoints(file: str, encoding: str | None) -> Keypoints | None:
    return parse_keypoints(load_yaml(file, encoding).get("kpt_shape"), file)


def _dataset_yamls(folder: str, others: Sequence[str]) -> Iterator[str]:
    """Iterate over files like `coco8-pose.yaml`: below the folder, then above a part of a dataset."""
    yield from filter(_is_dataset_yaml, (os.path.join(folder, file) for file in others))
    above = os.path.abspath(folder)
    while os.path.basename(above).lower() in _PARTS:
        above = os.path.dirname(above)
        with suppress(OSError):
            files = (os.path.join(above, name) for name in sorted(os.listdir(above)))
            yield from filter(_is_dataset_yaml, files)


def _is_dataset_yaml(path: str) -> bool:
    """Return whether the head of a YAML file has the entries of a data.yaml."""
    if not path.lower().endswith((".yaml", ".yml")) or not os.path.isfile(path):
        return False
    with suppress(InputError):
        return len(set(_YAML_ENTRIES.findall(read_head_text(path)))) > 1
    return False


def _read_first(
    folder: str, others: Sequence[str], yaml_files: Sequence[str], encoding: str | None
) -> DatasetInfo:
    for subfolder in _CLASS_FILE_FOLDERS:
        for name, read in _CLASS_FILES.items():
            file = os.path.join(folder, subfolder, name)
            if os.path.isfile(file):
                return read(file, encoding)
    below = [os.path.join(folder, file) for file in others if is_class_file(file)] or yaml_files
    infos = [_read(file, encoding) for file in below]
    if not infos:
        return DatasetInfo({}, note=f"no class file in {folder}: the labels are class numbers")
    if any(info.class_names != infos[0].class_names for info in infos):
        listed = " and ".join(map(os.path.normpath, below[:2]))
        note = f"{listed} have different class names: the labels are class numbers"
        return DatasetInfo({}, note=note)
    return infos[0]


def is_class_file(path: str) -> bool:
    """Return whether a path has the name of a class file."""
    name = os.path.basename(path)
    return name in _CLASS_FILES or name.endswith((".names", "_darknet.labels"))


def _read(file: str, encoding: str | None) -> DatasetInfo:
    if file.lower().endswith((".yaml", ".yml")):
        return yaml_info(file, encoding)
    return _CLASS_FILES.get(os.path.basename(file), _listed_class_names)(file, encoding)


def is_data_yaml(name: str) -> bool:
    """Return whether the head of a file has the `names` of a data.yaml."""
    return _YAML_NAMES.search(read_head_text(name)) is not None


def yaml_info(file: str, encoding: str | None = None) -> DatasetInfo:
    """Read `names` and `kpt_shape` of a `data.yaml`. Raises InputError.

    `names` is a list, or an object with numbers as keys. Without it, classes have numbers only.
    """
    content = load_yaml(file, encoding)
    names = content.get("names")
    keypoints = parse_keypoints(content.get("kpt_shape"), file)
    if names in (None, [], {}):
        return DatasetInfo({}, keypoints, f"{file} has no names: the labels are class numbers")
    if not isinstance(names, dict | list):
        raise InputError(
            f'{file}: expected "names", a list of class names; found {short_repr(names)}'
        )
    pairs = list(names.items() if isinstance(names, dict) else enumerate(names))
    nested = next((name for _, name in pairs if isinstance(name, _CONTAINERS)), None)
    if nested is not None:  # its text may be far longer than the file, which can repeat its parts
        raise InputError(f"{file}: expected text as class names, found {short_repr(nested)}")
    try:
        numbered = {_class_number(number): str(name) for number, name in pairs}
    except (TypeError, ValueError, OverflowError):
        raise InputError(f'{file}: expected class numbers 0, 1, … as keys of "names"') from None
    return DatasetInfo(numbered, keypoints)


def _class_number(key: object) -> int:
    """Raises TypeError, ValueError and OverflowError for what is no number of a class."""
    if isinstance(key, str) and len(key) > _MAX_DIGITS:
        raise ValueError("a class number is short")
    return int(key)  # type: ignore[call-overload, no-any-return]


def darknet_info(file: str, encoding: str | None = None) -> DatasetInfo:
    """Read the class names that an `obj.data` names. Raises InputError."""
    names = read_entries(file, encoding).get("names", "")
    own_folder = os.path.dirname(file)
    found = find_near(names, [own_folder, os.path.join(own_folder, os.pardir)])
    if found is None or not os.path.isfile(found):
        note = f"{file}: found no {names or 'names'}; the labels are class numbers"
        return DatasetInfo({}, note=note)
    return _listed_class_names(found, encoding)


def _listed_class_names(file: str, encoding: str | None = None) -> DatasetInfo:
    """Read a text file with one class per line."""
    lines = read_text(file, encoding).splitlines()
    return DatasetInfo({number: line.strip() for number, line in enumerate(lines)})


_CLASS_FILES: Mapping[str, Callable[[str, str | None], DatasetInfo]] = {
    "data.yaml": yaml_info,
    "dataset.yaml": yaml_info,
    "data.yml": yaml_info,
    "classes.txt": _listed_class_names,
    "predefined_classes.txt": _listed_class_names,
    "obj.names": _listed_class_names,
    "obj.data": darknet_info,
}
