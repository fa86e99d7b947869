"""Detect the format of a source by its content, else by its suffix."""

import codecs
import os
import re
from collections.abc import Callable, Mapping
from itertools import islice

from vipllava_cli.errors import InputError
from vipllava_cli.sources.coco import is_coco
from vipllava_cli.sources.files import read_head
from vipllava_cli.sources.folder import Listing, list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.labelme import is_labelme
from vipllava_cli.sources.manifest import detect_table
from vipllava_cli.sources.vip_bench import find_splits
from vipllava_cli.sources.voc import is_voc
from vipllava_cli.sources.yolo import is_yolo
from vipllava_cli.storage.files import STANDARD_INPUT

_SUFFIXES: Mapping[str, SourceFormat] = {
    ".jsonl": SourceFormat.jsonl,
    ".ndjson": SourceFormat.jsonl,
    ".json": SourceFormat.json,
    ".csv": SourceFormat.csv,
    ".tsv": SourceFormat.tsv,
}

_MAX_SAMPLES = 20  # files of a folder that detection reads for each format

_YAML_CLASS_NAMES = re.compile(r"^names\s*:", re.MULTILINE)


def detect_format(name: str) -> SourceFormat | None:
    """Detect the format of a source, or return None.

    Standard input and pipes count as JSONL: a look at their content would consume it.

    Raises InputError for a name that does not exist.
    """
    if name == STANDARD_INPUT:
        return SourceFormat.jsonl
    if os.path.isdir(name):
        return _detect_folder(name)
    if not os.path.exists(name):
        raise InputError(f"there is no file or folder {name}: check the name of the source")
    return _detect_file(name) if os.path.isfile(name) else SourceFormat.jsonl


# --- folders ---------------------------------------------------------------------------------


def _detect_folder(folder: str) -> SourceFormat:
    listing = list_folder(folder)
    matches = (format for format, fits in _FOLDER_CHECKS.items() if fits(folder, listing))
    return next(matches, SourceFormat.folder)


def _contains_yolo(folder: str, listing: Listing) -> bool:
    return bool(listing.with_suffix(".txt")) and is_yolo(folder, listing.images)


def _any_file(suffix: str, has_format: Callable[[str], bool]) -> Callable[[str, Listing], bool]:
    """Make a check that one of the first files with this suffix has the format."""

    def fits(folder: str, listing: Listing) -> bool:
        files = islice(listing.with_suffix(suffix), _MAX_SAMPLES)
        return any(has_format(os.path.join(folder, file)) for file in files)

    return fits


# The strictest check comes first.
_FOLDER_CHECKS: Mapping[SourceFormat, Callable[[str, Listing], bool]] = {
    SourceFormat.vip_bench: lambda folder, _: bool(find_splits(folder)),
    SourceFormat.yolo: _contains_yolo,
    SourceFormat.voc: _any_file(".xml", is_voc),
    SourceFormat.labelme: _any_file(".json", is_labelme),
}


# --- files -----------------------------------------------------------------------------------


def _detect_file(name: str) -> SourceFormat | None:
    """Detect by the first character of the text. Only the suffix counts for a binary file."""
    suffix = os.path.splitext(name)[1].lower()
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(read_head(name)).lstrip()
    except UnicodeDecodeError:
        text = ""
    detect = _FIRST_CHARACTER_CHECKS.get(text[:1], _detect_plain_text)
    return detect(name, text) or _SUFFIXES.get(suffix)


def _detect_json_object(name: str, text: str) -> SourceFormat | None:
    """Detect JSONL by a second object on the next line, else a single JSON object."""
    first, _, rest = text.partition("\n")
    if name.lower().endswith((".jsonl", ".ndjson")):
        return SourceFormat.jsonl
    if first.rstrip().endswith("}") and rest.lstrip().startswith("{"):
        return SourceFormat.jsonl
    matches = (format for format, fits in _JSON_CHECKS.items() if fits(name))
    return next(matches, SourceFormat.json)


def _detect_plain_text(name: str, text: str) -> SourceFormat | None:
    if _YAML_CLASS_NAMES.search(text):
        return SourceFormat.yolo
    return detect_table(text.partition("\n")[0])


_JSON_CHECKS: Mapping[SourceFormat, Callable[[str], bool]] = {
    SourceFormat.coco: is_coco,
    SourceFormat.labelme: is_labelme,
}

_FIRST_CHARACTER_CHECKS: Mapping[str, Callable[[str, str], SourceFormat | None]] = {
    "{": _detect_json_object,
    "[": lambda _name, _text: SourceFormat.json,
    "<": lambda name, _text: SourceFormat.voc if is_voc(name) else None,
}
