"""Detect the format of a source by its content, else by its suffix."""

import os
from collections.abc import Callable, Iterator, Mapping
from itertools import chain

from vipllava_cli.errors import InputError
from vipllava_cli.images.source import display_name
from vipllava_cli.sources.coco import is_coco
from vipllava_cli.sources.coco_results import is_coco_results
from vipllava_cli.sources.cvat import is_cvat
from vipllava_cli.sources.darknet import is_darknet
from vipllava_cli.sources.fiftyone import is_fiftyone
from vipllava_cli.sources.files import read_head_text
from vipllava_cli.sources.folder import Listing, list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_folder import is_image_folder
from vipllava_cli.sources.label_studio import is_label_studio, is_label_studio_table
from vipllava_cli.sources.labelme import is_labelme
from vipllava_cli.sources.open_images import is_open_images
from vipllava_cli.sources.supervisely import is_supervisely
from vipllava_cli.sources.tables import detect_table
from vipllava_cli.sources.via import is_via_json, is_via_table
from vipllava_cli.sources.vip_bench import find_splits
from vipllava_cli.sources.voc import is_voc
from vipllava_cli.sources.yolo import is_yolo
from vipllava_cli.sources.yolo_classes import is_data_yaml
from vipllava_cli.storage.files import STANDARD_INPUT

_SUFFIXES: Mapping[str, SourceFormat] = {
    ".jsonl": SourceFormat.jsonl,
    ".ndjson": SourceFormat.jsonl,
    ".json": SourceFormat.json,
    ".csv": SourceFormat.csv,
    ".tsv": SourceFormat.tsv,
}

_MAX_SAMPLES = 20  # files of a folder that detection reads for each format


def detect_format(name: str, encoding: str | None = None) -> SourceFormat | None:
    """Detect the format of a source, or return None.

    Standard input and pipes count as JSONL: a look at their content would consume it.

    Raises InputError for a name that does not exist.
    """
    if name == STANDARD_INPUT:
        return SourceFormat.jsonl
    if os.path.isdir(name):
        return _detect_folder(name)
    if not os.path.exists(name):
        raise InputError(
            f"there is no file or folder {display_name(name)}: check the name of the source"
        )
    return _detect_file(name, encoding) if os.path.isfile(name) else SourceFormat.jsonl


# --- folders ---------------------------------------------------------------------------------


def _detect_folder(folder: str) -> SourceFormat:
    return next(folder_formats(folder, list_folder(folder)), SourceFormat.folder)


def folder_formats(folder: str, listing: Listing) -> Iterator[SourceFormat]:
    """Iterate over the formats of annotations in a folder. Reads the heads of a few files."""
    return (format for format, fits in _FOLDER_CHECKS.items() if fits(folder, listing))


def _contains_yolo(folder: str, listing: Listing) -> bool:
    return bool(listing.with_suffix(".txt")) and is_yolo(folder, listing)


def _any_file(suffix: str, has_format: Callable[[str], bool]) -> Callable[[str, Listing], bool]:
    """Make a check that one of the first files with this suffix has the format.

    The files with the name of an image, which are many, and the others are sampled separately.
    """

    def fits(folder: str, listing: Listing) -> bool:
        stems = {os.path.splitext(os.path.basename(image))[0] for image in listing.images}
        groups: dict[bool, list[str]] = {True: [], False: []}
        for file in listing.with_suffix(suffix):
            groups[os.path.splitext(os.path.basename(file))[0] in stems].append(file)
        files = chain.from_iterable(group[:_MAX_SAMPLES] for group in groups.values())
        return any(has_format(os.path.join(folder, file)) for file in files)

    return fits


# The strictest check comes first.
_FOLDER_CHECKS: Mapping[SourceFormat, Callable[[str, Listing], bool]] = {
    SourceFormat.vip_bench: lambda folder, _: bool(find_splits(folder)),
    SourceFormat.yolo: _contains_yolo,
    SourceFormat.voc: _any_file(".xml", is_voc),
    SourceFormat.labelme: _any_file(".json", is_labelme),
    SourceFormat.coco: _any_file(".json", is_coco),
    SourceFormat.cvat: _any_file(".xml", is_cvat),
    SourceFormat.fiftyone: _any_file(".json", is_fiftyone),
    SourceFormat.via: lambda folder, listing: (
        _any_file(".json", is_via_json)(folder, listing)
        or _any_file(".csv", is_via_table)(folder, listing)
    ),
    SourceFormat.supervisely: _any_file(".json", is_supervisely),
    SourceFormat.label_studio: lambda folder, listing: (
        _any_file(".json", is_label_studio)(folder, listing)
        or _any_file(".csv", is_label_studio_table)(folder, listing)
    ),
    SourceFormat.open_images: _any_file(".csv", is_open_images),
    SourceFormat.image_folder: _any_file(".jsonl", is_image_folder),
}


# --- files -----------------------------------------------------------------------------------


def _detect_file(name: str, encoding: str | None) -> SourceFormat | None:
    """Detect by the first character of the text, else by the suffix."""
    suffix = os.path.splitext(name)[1].lower()
    text = read_head_text(name, encoding).lstrip()
    detect = _FIRST_CHARACTER_CHECKS.get(text[:1], _detect_plain_text)
    return detect(name, text) or _SUFFIXES.get(suffix)


def _detect_json_object(name: str, text: str) -> SourceFormat | None:
    """Detect JSONL by a second object on the next line, else a single JSON object."""
    first, _, rest = text.partition("\n")
    if is_image_folder(name):
        return SourceFormat.image_folder
    if name.lower().endswith((".jsonl", ".ndjson")):
        return SourceFormat.jsonl
    if first.rstrip().endswith("}") and rest.lstrip().startswith("{"):
        return SourceFormat.jsonl
    matches = (format for format, fits in _JSON_CHECKS.items() if fits(name))
    return next(matches, SourceFormat.json)


def _detect_json_list(name: str, _text: str) -> SourceFormat:
    matches = (format for format, fits in _JSON_LIST_CHECKS.items() if fits(name))
    return next(matches, SourceFormat.json)


def _detect_xml(name: str, _text: str) -> SourceFormat | None:
    checks = {SourceFormat.voc: is_voc, SourceFormat.cvat: is_cvat}
    return next((format for format, fits in checks.items() if fits(name)), None)


def _detect_plain_text(name: str, text: str) -> SourceFormat | None:
    if is_data_yaml(name) or is_darknet(name):
        return SourceFormat.yolo
    matches = (format for format, fits in _TABLE_CHECKS.items() if fits(name))
    return next(matches, None) or detect_table(text)


_TABLE_CHECKS: Mapping[SourceFormat, Callable[[str], bool]] = {
    SourceFormat.open_images: is_open_images,
    SourceFormat.via: is_via_table,
    SourceFormat.label_studio: is_label_studio_table,
}


_JSON_LIST_CHECKS: Mapping[SourceFormat, Callable[[str], bool]] = {
    SourceFormat.label_studio: is_label_studio,
    SourceFormat.coco: is_coco_results,
}

_JSON_CHECKS: Mapping[SourceFormat, Callable[[str], bool]] = {
    SourceFormat.coco: is_coco,
    SourceFormat.labelme: is_labelme,
    SourceFormat.fiftyone: is_fiftyone,
    SourceFormat.via: is_via_json,
    SourceFormat.supervisely: is_supervisely,
    SourceFormat.label_studio: is_label_studio,
}

_FIRST_CHARACTER_CHECKS: Mapping[str, Callable[[str, str], SourceFormat | None]] = {
    "{": _detect_json_object,
    "[": _detect_json_list,
    "<": _detect_xml,
}
