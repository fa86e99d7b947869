"""Darknet: an `obj.data` names the lists of a dataset's images, and the file of its class names.

classes = 2
train = data/train.txt
names = data/obj.names
backup = backup/
"""

import os
import re
from collections.abc import Iterator, Mapping, Sequence

from vipllava_cli.sources.files import read_head_text, read_text

_ENTRY = re.compile(r"^[ \t]*(?P<name>\w+)[ \t]*=[ \t]*(?P<value>\S[^\n]*)$", re.MULTILINE)
_MAX_LEVELS = 40  # folders of a path that are left out to find its end
_SPLITS = ("train", "valid", "val", "test")


def is_darknet(name: str) -> bool:
    """Return whether the head of a file has the entries of an obj.data, and nothing else."""
    text = read_head_text(name)
    entries = {match["name"] for match in _ENTRY.finditer(text)}
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    is_complete = all(_ENTRY.fullmatch(line) for line in lines)
    return is_complete and "names" in entries and bool(entries & {"classes", *_SPLITS})


def read_entries(file: str, encoding: str | None) -> Mapping[str, str]:
    """Read the entries of an obj.data. Raises InputError."""
    text = read_text(file, encoding)
    return {match["name"]: match["value"].rstrip() for match in _ENTRY.finditer(text)}


def iter_splits(entries: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Iterate over the splits and the paths of their lists."""
    return ((split, entries[split]) for split in _SPLITS if split in entries)


def is_image_folder(path: str) -> bool:
    """Return whether a folder may hold the images: the root of the disk would hold everything."""
    if not os.path.isdir(path):  # also a name with a null byte, which `realpath` refuses
        return False
    real = os.path.realpath(path)
    return os.path.dirname(real) != real


def find_near(path: str, folders: Sequence[str]) -> str | None:
    """Find a path that another machine wrote: in one of the folders, by the longest end that exists.

    The paths of Darknet count from the folder of its program, like `data/obj_train_data/a.jpg`.
    """
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for start in range(max(len(parts) - _MAX_LEVELS, 0), len(parts)):
        for folder in folders:
            candidate = os.path.normpath(os.path.join(folder, *parts[start:]))
            if os.path.isfile(candidate) or is_image_folder(candidate):
                return candidate
    return None
