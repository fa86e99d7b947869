"""Notes about files of a folder that look like annotations and are not read."""

import os
from collections.abc import Iterator

from vipllava_cli.errors import InputError
from vipllava_cli.sources.archive_kinds import is_archive_name
from vipllava_cli.sources.detect import detect_format, folder_formats
from vipllava_cli.sources.files import read_head_text
from vipllava_cli.sources.folder import Listing, irregular_note, list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.tables import detect_table
from vipllava_cli.sources.yolo_pairs import is_label_file
from vipllava_cli.storage.counts import count_noun, list_some

_SUFFIXES = (".json", ".jsonl", ".ndjson", ".xml", ".csv", ".tsv", ".txt", ".parquet")
_MANIFESTS = (".csv", ".tsv", ".jsonl")
_MAX_MANIFESTS = 20  # files that detection reads
_MAX_FILES = 5  # files that detection reads, and names in a note


def unused_file_notes(folder: str, format: SourceFormat) -> Iterator[str]:
    """Yield notes about annotations in a folder that is read as `format`."""
    listing = list_folder(folder)
    if listing.irregular and format != SourceFormat.folder:
        yield f"{folder}: skipped {irregular_note(listing)}"
    others = [other for other in folder_formats(folder, listing) if other != format]
    if others:
        named = " and ".join(others)
        yield f"{folder} also contains {named} files, which are not read: --format {others[0]} reads them"
    archives = [os.path.join(folder, file) for file in listing.others if is_archive_name(file)]
    if archives:
        yield (
            f"archives in {folder} are not read: {list_some(archives)}; name a ZIP archive as the source,"
            " and unpack another one"
        )
    if format != SourceFormat.folder:
        yield from _manifest_notes(folder, listing, format)
    if format != SourceFormat.folder or others:
        return
    stems = {os.path.splitext(image)[0] for image in listing.images}
    suspects = [f for f in listing.others if _looks_like_annotations(folder, f, stems)]
    examined, rest = suspects[:_MAX_FILES], len(suspects) - _MAX_FILES
    known = [file for file in examined if _has_format(os.path.join(folder, file))]
    unknown = [file for file in examined if file not in known]
    if known:
        paths = ", ".join(os.path.join(folder, file) for file in known)
        yield (
            f"read the images of {folder} only; {paths} may hold questions or regions: name"
            " such a file as the source to read it"
        )
    if unknown:
        yield f"{', '.join(unknown)} may hold regions, but the format is unknown: not read"
    if rest > 0:
        yield f"{count_noun(rest, 'more file')} like these: not read"


def _manifest_notes(folder: str, listing: Listing, format: SourceFormat) -> Iterator[str]:
    """Yield a note about manifests in a folder with annotations."""
    if format == SourceFormat.vip_bench:
        return  # its questions are manifests
    tables = [file for suffix in _MANIFESTS for file in listing.with_suffix(suffix)]
    paths = [os.path.join(folder, file) for file in tables[:_MAX_MANIFESTS]]
    manifests = [path for path in paths if _is_manifest(path) and detect_format(path) != format]
    if manifests:
        yield (
            f"{list_some(manifests)} may hold questions or regions, and the {format} files are read"
            " instead: name such a file as the source to read it"
        )


def _is_manifest(file: str) -> bool:
    """Return whether a table or the rows of a JSONL file name images."""
    try:
        head = read_head_text(file)
    except InputError:
        return False
    if file.lower().endswith(".jsonl"):
        return '"image"' in head and '"schema"' not in head  # records of a batch have a schema
    return detect_table(head) is not None


def _looks_like_annotations(folder: str, file: str, stems: set[str]) -> bool:
    """Return whether a file has the suffix of annotations.

    A text also needs the name of an image, or the content of a label file.
    """
    stem, suffix = os.path.splitext(file)
    if suffix.lower() == ".txt":
        is_named = stem in stems or "/labels/" in f"/{file}"
        return is_named or is_label_file(os.path.join(folder, file))
    return suffix.lower() in _SUFFIXES


def _has_format(file: str) -> bool:
    if file.lower().endswith(".parquet"):
        return False
    try:
        return detect_format(file) is not None
    except InputError:
        return False
