"""What kind of source a name stands for, by what is in it; by its suffix where that tells nothing."""

import codecs
import os
import re
from collections.abc import Callable, Mapping
from itertools import islice

from vipllava_cli.errors import InputError
from vipllava_cli.sources.coco import is_coco
from vipllava_cli.sources.files import STANDARD_INPUT, head
from vipllava_cli.sources.folder import Listing, image_suffixes, list_folder
from vipllava_cli.sources.labelme import is_labelme
from vipllava_cli.sources.manifest import table_kind
from vipllava_cli.sources.vip_bench import splits
from vipllava_cli.sources.voc import is_voc
from vipllava_cli.sources.yolo import is_yolo

_SUFFIXES: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
}

_SAMPLES = 20  # files of a folder that are looked into for each format

_CLASS_NAMES = re.compile(r"^names\s*:", re.MULTILINE)


def detect(name: str) -> str | None:
    """The format's name, or None. Raises InputError for what is not there and for a single image.

    Standard input, and any pipe, is JSONL: looking into it would use it up.
    """
    if name == STANDARD_INPUT:
        return "jsonl"
    if os.path.isdir(name):
        return _folder_format(name)
    if not os.path.exists(name):
        raise InputError(f"there is no file or folder {name}: check the name of the source")
    return _file_format(name) if os.path.isfile(name) else "jsonl"


# --- folders ---------------------------------------------------------------------------------


def _folder_format(folder: str) -> str:
    listing = list_folder(folder)
    fits = (kind for kind, look in _FOLDERS.items() if look(folder, listing))
    return next(fits, "folder")


def _holds_yolo(folder: str, listing: Listing) -> bool:
    return bool(listing.ending(".txt")) and is_yolo(folder, listing.images)


def _holds(suffix: str, is_one: Callable[[str], bool]) -> Callable[[str, Listing], bool]:
    """Whether one of the first files with this suffix is such a one."""

    def look(folder: str, listing: Listing) -> bool:
        files = islice(listing.ending(suffix), _SAMPLES)
        return any(is_one(os.path.join(folder, file)) for file in files)

    return look


# In this order: what takes more to look like it goes first.
_FOLDERS: Mapping[str, Callable[[str, Listing], bool]] = {
    "vip-bench": lambda folder, _: bool(splits(folder)),
    "yolo": _holds_yolo,
    "voc": _holds(".xml", is_voc),
    "labelme": _holds(".json", is_labelme),
}


# --- files -----------------------------------------------------------------------------------


def _file_format(name: str) -> str | None:
    """Look at how the text opens; bytes that are no text are told by the suffix alone."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix in image_suffixes():
        raise InputError(
            f"{name} is one image: `vipllava ask` asks about one, batch about a folder or a list"
        )
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head(name)).lstrip()
    except UnicodeDecodeError:
        text = ""
    look = _OPENINGS.get(text[:1], _other_format)
    return look(name, text) or _SUFFIXES.get(suffix)


def _object_format(name: str, text: str) -> str | None:
    """JSONL where the first line is an object and the next begins another; else one whole JSON."""
    first, _, rest = text.partition("\n")
    if name.lower().endswith((".jsonl", ".ndjson")):
        return "jsonl"
    if first.rstrip().endswith("}") and rest.lstrip().startswith("{"):
        return "jsonl"
    return next((kind for kind, fits in _OBJECTS.items() if fits(name)), "json")


def _other_format(name: str, text: str) -> str | None:
    if _CLASS_NAMES.search(text):
        return "yolo"
    return table_kind(text.partition("\n")[0])


_OBJECTS: Mapping[str, Callable[[str], bool]] = {"coco": is_coco, "labelme": is_labelme}

_OPENINGS: Mapping[str, Callable[[str, str], str | None]] = {
    "{": _object_format,
    "[": lambda _name, _text: "json",
    "<": lambda name, _text: "voc" if is_voc(name) else None,
}
