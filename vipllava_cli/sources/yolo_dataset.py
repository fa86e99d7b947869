"""What describes a YOLO dataset: class names, keypoints, and the images of its splits."""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vipllava_cli.errors import InputError, short_name, short_repr
from vipllava_cli.sources.files import read_head_text, read_text
from vipllava_cli.sources.folder import image_suffixes, list_folder
from vipllava_cli.sources.yolo_lines import ClassNames, Keypoints, parse_keypoints

LABELS = "labels"
_SPLITS = ("train", "val", "valid", "test")
# Folders that may contain the class file, relative to the source folder. The source may be the `images/`
# of a dataset, or a split below it.
_CLASS_FILE_FOLDERS = ("", LABELS, os.pardir, os.path.join(os.pardir, os.pardir))
_CONTAINERS = (dict, list, tuple, set)
_YAML_NAMES = re.compile(r"^names\s*:", re.MULTILINE)


@dataclass(frozen=True)
class DatasetInfo:
    """The class names of a dataset by number, and the keypoints of its poses."""

    class_names: ClassNames
    keypoints: Keypoints | None = None


def folder_info(folder: str, others: Sequence[str]) -> DatasetInfo:
    """Read the first class file. `others` are the files below the folder that are no images.

    A class file elsewhere below the folder counts if it is the only one. Returns no names without one.
    """
    for subfolder in _CLASS_FILE_FOLDERS:
        for name, read in _CLASS_FILES.items():
            file = os.path.join(folder, subfolder, name)
            if os.path.isfile(file):
                return read(file)
    below = [file for file in others if os.path.basename(file) in _CLASS_FILES]
    if len(below) != 1:
        return DatasetInfo({})
    file = os.path.join(folder, below[0])
    return _CLASS_FILES[os.path.basename(file)](file)


def is_data_yaml(name: str) -> bool:
    """Return whether the head of a file has the `names` of a data.yaml."""
    return _YAML_NAMES.search(read_head_text(name)) is not None


def yaml_info(file: str) -> DatasetInfo:
    """Read `names` and `kpt_shape` of a `data.yaml`. Raises InputError.

    `names` is a list, or an object with numbers as keys.
    """
    content = _load_yaml(file)
    names = content.get("names")
    if not isinstance(names, dict | list) or not names:
        raise InputError(
            f'{file}: expected "names", a list of class names; found {short_repr(names)}'
        )
    pairs = list(names.items() if isinstance(names, dict) else enumerate(names))
    nested = next((name for _, name in pairs if isinstance(name, _CONTAINERS)), None)
    if nested is not None:  # its text may be far longer than the file, which can repeat its parts
        raise InputError(f"{file}: expected text as class names, found {short_repr(nested)}")
    try:
        numbered = {int(number): str(name) for number, name in pairs}
    except (TypeError, ValueError):
        raise InputError(f'{file}: expected class numbers 0, 1, … as keys of "names"') from None
    return DatasetInfo(numbered, parse_keypoints(content.get("kpt_shape")))


@dataclass(frozen=True)
class YamlImages:
    """The images that a `data.yaml` names: paths relative to `folder`, and notes for the user."""

    folder: str
    images: Sequence[str]
    notes: Sequence[str] = ()


def yaml_images(file: str) -> YamlImages:
    """List the images of the splits. Without a split that exists, list the dataset's folder."""
    content = _load_yaml(file)
    own_folder = os.path.dirname(file) or os.curdir
    path = content.get("path")
    named = os.path.join(own_folder, path) if isinstance(path, str) else own_folder
    folder = os.path.normpath(named if _is_folder(named) else own_folder)
    images: dict[str, None] = {}
    missing = []
    for split in _SPLITS:
        for entry in _entries(content.get(split)):
            found = _find_entry([folder, own_folder], entry)
            if found is None:
                missing.append(f"{split}: {short_name(entry)}")
            else:
                images.update((os.path.relpath(image, folder), None) for image in _list(found))
    if not images:
        return YamlImages(folder, list_folder(folder).images)
    notes = [f"{file}: found no {entry}; its images are skipped" for entry in missing]
    return YamlImages(folder, [image.replace(os.sep, "/") for image in images], notes)


def _entries(value: Any) -> list[str]:
    """Return the paths of a split: one, or a list."""
    values = value if isinstance(value, list) else [value]
    return [entry for entry in values if isinstance(entry, str) and entry]


def _find_entry(folders: Sequence[str], entry: str) -> str | None:
    """Find a folder or a list of images. Roboflow writes `../train/images` for `train/images`."""
    slashed = entry.replace("\\", "/")
    for name in (slashed, re.sub(r"^(?:\.\./)+", "", slashed)):
        for folder in folders:
            path = os.path.normpath(os.path.join(folder, name))
            if os.path.isfile(path) or _is_folder(path):  # no device, which may never end
                return path
    return None


def _is_folder(path: str) -> bool:
    """Return whether a folder may hold the images: the root of the disk would hold everything."""
    if not os.path.isdir(path):  # also a name with a null byte, which `realpath` refuses
        return False
    real = os.path.realpath(path)
    return os.path.dirname(real) != real


def _list(path: str) -> Iterator[str]:
    """Iterate over the images in a folder, or over those that a text file lists, one per line."""
    if os.path.isdir(path):
        yield from (os.path.join(path, image) for image in list_folder(path).images)
        return
    if path.lower().endswith(image_suffixes()):
        yield path
        return
    folder = os.path.dirname(path)
    for line in read_text(path).splitlines():
        if line.strip():
            yield os.path.normpath(os.path.join(folder, line.strip().replace("\\", "/")))


def _listed_class_names(file: str) -> DatasetInfo:
    """Read a text file with one class per line."""
    lines = read_text(file).splitlines()
    return DatasetInfo({number: line.strip() for number, line in enumerate(lines)})


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


_CLASS_FILES: Mapping[str, Callable[[str], DatasetInfo]] = {
    "data.yaml": yaml_info,
    "dataset.yaml": yaml_info,
    "data.yml": yaml_info,
    "classes.txt": _listed_class_names,
    "obj.names": _listed_class_names,
}
