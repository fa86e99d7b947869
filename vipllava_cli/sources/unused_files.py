"""Notes about files of a folder that look like annotations and are not read."""

import os
from collections.abc import Iterator

from vipllava_cli.errors import InputError
from vipllava_cli.sources.detect import detect_format, folder_formats
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.storage.counts import count_noun

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".xml", ".csv", ".tsv", ".txt", ".parquet")
_MAX_FILES = 5  # files that detection reads, and names in a note


def unused_file_notes(folder: str, format: SourceFormat) -> Iterator[str]:
    """Yield notes about annotations in a folder that is read as `format`."""
    listing = list_folder(folder)
    others = [other for other in folder_formats(folder, listing) if other != format]
    if others:
        named = " and ".join(others)
        yield f"{folder} also contains {named} files, which are not read: --format {others[0]} reads them"
    if format != SourceFormat.folder or others:
        return
    stems = {os.path.splitext(image)[0] for image in listing.images}
    suspects = [file for file in listing.others if _looks_like_annotations(file, stems)]
    examined, rest = suspects[:_MAX_FILES], len(suspects) - _MAX_FILES
    known = [file for file in examined if _has_format(os.path.join(folder, file))]
    unknown = [file for file in examined if file not in known]
    if known:
        yield (
            f"read the images of {folder} only; {', '.join(known)} may hold questions or regions: name"
            " such a file as the source to read it"
        )
    if unknown:
        yield f"{', '.join(unknown)} may hold regions, but the format is unknown: not read"
    if rest > 0:
        yield f"{count_noun(rest, 'more file')} like these: not read"


def _looks_like_annotations(file: str, stems: set[str]) -> bool:
    """Return whether a file has the suffix of annotations; a text, also the name of an image."""
    stem, suffix = os.path.splitext(file)
    if suffix.lower() == ".txt":
        return stem in stems or "/labels/" in f"/{file}"
    return suffix.lower() in _SUFFIXES


def _has_format(file: str) -> bool:
    if file.lower().endswith(".parquet"):
        return False
    try:
        return detect_format(file) is not None
    except InputError:
        return False
