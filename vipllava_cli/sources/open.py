"""The sources of `vipllava batch` -> a stream of rows."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.source import is_any_address, record_name
from vipllava_cli.marks.shape_table import Units
from vipllava_cli.sources.archive_kinds import check_no_archive
from vipllava_cli.sources.archives import is_in_archive, read_unpacked
from vipllava_cli.sources.arguments import is_image_name
from vipllava_cli.sources.coco import read_coco
from vipllava_cli.sources.cvat import read_cvat
from vipllava_cli.sources.detect import detect_format
from vipllava_cli.sources.fiftyone import read_fiftyone
from vipllava_cli.sources.folder import read_folder
from vipllava_cli.sources.formats import RowUnit, SourceFormat
from vipllava_cli.sources.image_folder import read_image_folder
from vipllava_cli.sources.label_studio import read_label_studio
from vipllava_cli.sources.labelme import read_labelme
from vipllava_cli.sources.manifest import read_json, read_jsonl
from vipllava_cli.sources.open_images import read_open_images
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import Annotations, read_regions
from vipllava_cli.sources.rows import BadRow, Row, Source, StoredRows
from vipllava_cli.sources.supervisely import read_supervisely
from vipllava_cli.sources.tables import read_csv, read_tsv
from vipllava_cli.sources.unused_files import unused_file_notes
from vipllava_cli.sources.via import read_via
from vipllava_cli.sources.vip_bench import read_vip_bench
from vipllava_cli.sources.voc import read_voc
from vipllava_cli.sources.yolo import read_yolo


@dataclass(frozen=True)
class Reader:
    """The reader of a format, and the format's description for messages."""

    description: str
    read: Callable[[str, ReadOptions], Source | Annotations]


READERS: Mapping[SourceFormat, Reader] = {
    SourceFormat.folder: Reader("a folder of images", lambda name, _: read_folder(name)),
    SourceFormat.jsonl: Reader("a JSONL manifest", read_jsonl),
    SourceFormat.json: Reader("a JSON manifest", read_json),
    SourceFormat.csv: Reader("a table with commas", read_csv),
    SourceFormat.tsv: Reader("a table with tabs", read_tsv),
    SourceFormat.coco: Reader("a COCO file", read_coco),
    SourceFormat.labelme: Reader("a LabelMe file or a folder of them", read_labelme),
    SourceFormat.voc: Reader("a Pascal VOC file or a folder of them", read_voc),
    SourceFormat.yolo: Reader("a YOLO folder, its data.yaml or obj.data", read_yolo),
    SourceFormat.cvat: Reader("a CVAT file (XML)", read_cvat),
    SourceFormat.label_studio: Reader("an export of Label Studio", read_label_studio),
    SourceFormat.via: Reader("a file of the VGG Image Annotator (VIA)", read_via),
    SourceFormat.supervisely: Reader("a Supervisely project or file", read_supervisely),
    SourceFormat.open_images: Reader("a table of Open Images", read_open_images),
    SourceFormat.image_folder: Reader("a metadata.jsonl of Hugging Face", read_image_folder),
    SourceFormat.fiftyone: Reader("a samples.json of FiftyOne", read_fiftyone),
    SourceFormat.vip_bench: Reader("a ViP-Bench folder", read_vip_bench),
}


def read_sources(
    names: Sequence[str],
    *,
    format: SourceFormat = SourceFormat.auto,
    per: RowUnit = RowUnit.region,
    labels: Sequence[str] = (),
    options: ReadOptions = DEFAULT_OPTIONS,
) -> Source:
    """Read one or more sources, one after the other. A source may also be a single image.

    The ids of single images, and of the images of several folders, are their paths. An image that
    several of these sources contain has one row. Raises the errors of `read_source`.
    """
    parts = [
        read_image(name, labels)
        if format == SourceFormat.auto and is_image_name(name)
        else read_source(name, format=format, per=per, labels=labels, options=options)
        for name in names
    ]
    if len(parts) == 1:
        return parts[0]
    seen: set[str] = set()
    parts = [
        _with_paths_as_ids(part, name, seen) if part.format == SourceFormat.folder else part
        for name, part in zip(names, parts, strict=True)
    ]
    totals = [part.total for part in parts]
    read = partial(chain.from_iterable, [part.rows for part in parts])
    return Source(
        StoredRows(read) if all(part.is_rereadable for part in parts) else read(),
        ", ".join(dict.fromkeys(part.format for part in parts)),
        None if None in totals else sum(filter(None, totals)),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def read_image(name: str, labels: Sequence[str] = ()) -> Source:
    """Make the row of a single image. Raises UsageError for labels."""
    if labels:
        raise UsageError(
            f"--label selects regions of an annotated source, but {name} is an image: leave out"
            " --label"
        )
    path = record_name(name) if is_any_address(name) else os.path.normpath(name)
    row = Row(path.replace(os.sep, "/"), name)
    return Source(StoredRows(lambda: iter([row])), SourceFormat.folder, 1)


def _with_paths_as_ids(source: Source, name: str, seen: set[str]) -> Source:
    """Name the images of a folder by their paths. Leave out the images that were seen."""
    rows: list[Row | BadRow] = []
    for row in source.rows:
        path = record_name(row.image) if is_any_address(row.image) else os.path.normpath(row.image)
        if path not in seen:
            seen.add(path)
            rows.append(replace(row, id=path.replace(os.sep, "/")))
    notes = tuple(f"{name}: {note}" for note in source.notes)
    return replace(source, rows=StoredRows(lambda: iter(rows)), total=len(rows), notes=notes)


def read_source(
    name: str,
    *,
    format: SourceFormat = SourceFormat.auto,
    per: RowUnit = RowUnit.region,
    labels: Sequence[str] = (),
    options: ReadOptions = DEFAULT_OPTIONS,
) -> Source:
    """Read a source. `per` and `labels` select the rows of an annotated one.

    The source, its images and `options.coco` may be in ZIP archives. Raises InputError for a source
    that is malformed as a whole, and UsageError for labels if the source has no annotations.
    """
    check_no_archive(name)
    if not is_in_archive(name, options):
        return _read(name, format, per, labels, options)
    return read_unpacked(
        name,
        options,
        lambda local, local_options: _read(local, format, per, labels, local_options),
    )


def _read(
    name: str, format: SourceFormat, per: RowUnit, labels: Sequence[str], options: ReadOptions
) -> Source:
    """Read a source that is in no archive."""
    _check_folders(options)
    known_format = detect_format(name, options.encoding) if format == SourceFormat.auto else format
    if known_format is None:
        descriptions = ", ".join(reader.description for reader in READERS.values())
        raise InputError(
            f"{name} has no known format: expected {descriptions}; if it is one of these, name it with"
            f" --format {'|'.join(READERS)}"
        )
    if options.image_folders and known_format in _WITH_OWN_IMAGES:
        raise UsageError(
            f"--images is for files that name images, but the format of {name} is {known_format}, which"
            " contains its images: leave out --images"
        )
    content = READERS[known_format].read(name, options)
    if isinstance(content, Annotations):
        source = read_regions(content, per, labels)
        if options.units != Units.px:
            rows, units = source.rows, options.units
            in_units = StoredRows(lambda: (_in_units(row, units) for row in rows))
            source = replace(source, rows=in_units)
    elif labels:
        raise UsageError(
            f"--label selects regions of an annotated source, but the format of {name} is"
            f" {known_format}: leave out --label"
        )
    else:
        source = content
    if options.coco and known_format != SourceFormat.coco:
        unused = f"{name} contains no COCO results: --coco {options.coco} is not used"
        source = replace(source, notes=(*source.notes, unused))
    if format == SourceFormat.auto and os.path.isdir(name):
        return replace(source, notes=(*_folder_notes(name, known_format), *source.notes))
    return source


def _folder_notes(name: str, format: SourceFormat) -> Iterator[str]:
    """Yield notes about how a folder is read, and what in it is not."""
    if format != SourceFormat.folder:
        yield f"read {name} as {format}; --format folder reads its images only"
    yield from unused_file_notes(name, format)


def _in_units(row: Row | BadRow, units: Units) -> Row | BadRow:
    """Read the pixels of a row's marks in another unit."""
    if isinstance(row, BadRow):
        return row
    marks = []
    for mark in row.marks:
        parts = (
            tuple(c if c.scale else replace(c, scale=units.scale) for c in part)
            for part in mark.parts
        )
        marks.append(replace(mark, parts=tuple(parts)))
    return replace(row, marks=tuple(marks))


_WITH_OWN_IMAGES = (SourceFormat.folder, SourceFormat.vip_bench)


def _check_folders(options: ReadOptions) -> None:
    for folder in options.image_folders:
        if not os.path.isdir(folder):
            raise InputError(
                f"--images {folder}: expected an existing folder or ZIP archive; check its name"
            )
