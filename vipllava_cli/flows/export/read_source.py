"""The file that `batch` read, with the answers of its records: images and regions in its order."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from vipllava_cli.errors import InputError
from vipllava_cli.flows.export.dataset import Dataset, ExportImage, Region
from vipllava_cli.flows.export.image_names import ImagePaths
from vipllava_cli.flows.export.read_records import AnsweredRow, add_row
from vipllava_cli.marks.marked_image import ImageFile, open_image
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.types import Mark, MarkSpec
from vipllava_cli.sources.archive_kinds import check_no_archive
from vipllava_cli.sources.archives import UnpackedSource
from vipllava_cli.sources.detect import detect_format
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import READERS
from vipllava_cli.sources.regions import AnnotatedImage, Annotations
from vipllava_cli.sources.rows import Row, Source
from vipllava_cli.storage.counts import count_noun


@dataclass(frozen=True)
class SourceRegion:
    """A region as its file has it, before its image is known."""

    spec: MarkSpec | None
    label: str | None
    extra: dict[str, object]


@dataclass(frozen=True)
class SourceImage:
    """An image of a source. `file` is the annotation file that contains it."""

    id: str
    name: str
    regions: list[SourceRegion]
    file: str = ""


@dataclass(frozen=True)
class SourceFile:
    """A source with its images, and the dataset with one image for each of them.

    `files` are the annotation files of the images of the dataset, in the same order.
    """

    name: str
    format: SourceFormat
    dataset: Dataset
    files: Sequence[str]


def read_source_file(
    source: UnpackedSource, rows: Sequence[AnsweredRow], paths: ImagePaths
) -> SourceFile:
    """Read a source, and give its regions the answers of the records. Raises InputError."""
    name, options = source.name, source.options
    check_no_archive(name)
    format = detect_format(name, options.encoding)
    if format is None or format == SourceFormat.folder:
        raise InputError(
            f"--source {name}: expected the annotation file or the manifest that batch read"
        )
    content = READERS[format].read(name, options)
    is_annotated = isinstance(content, Annotations)
    images = list(_annotated(content)) if isinstance(content, Annotations) else _of_rows(content)
    images = [replace(image, name=source.restore_image(image.name)) for image in images]
    dataset = _dataset(images, rows, paths)
    dataset.classes = content.classes if isinstance(content, Annotations) else ()
    files = [image.file for image in images] if is_annotated else []
    return SourceFile(name, format, dataset, files)


T = TypeVar("T")


def pair_regions(items: Sequence[T], image: ExportImage, file: str) -> list[tuple[T, Region]]:
    """Pair the regions of a file with those of an image, which a reader made of it. Raises InputError."""
    if len(items) != len(image.regions):
        raise InputError(
            f"{file} holds {len(items)} regions of {image.id}, and batch reads {len(image.regions)}:"
            " export without --source"
        )
    return list(zip(items, image.regions, strict=True))


def _annotated(annotations: Annotations) -> Iterator[SourceImage]:
    for image in annotations.iter_images():
        if isinstance(image, AnnotatedImage):
            regions = [
                SourceRegion(spec, region.label, dict(region.extra))
                for region, spec in zip(image.regions, _specs(image), strict=True)
            ]
            yield SourceImage(image.id, image.image, regions, image.file)


def _specs(image: AnnotatedImage) -> Iterator[MarkSpec | None]:
    for region in image.regions:
        try:
            mark = region.make_mark()
        except InputError:
            yield None
        else:
            yield replace(mark, declared=mark.declared or image.declared)


def _of_rows(source: Source) -> list[SourceImage]:
    """Collect the rows of a manifest by their images."""
    images: dict[str, SourceImage] = {}
    known_of: dict[str, set[object]] = defaultdict(set)
    for row in source.rows:
        if not isinstance(row, Row):
            continue
        image = images.setdefault(row.image, SourceImage(row.image, row.image, []))
        label = row.extra.get("label")
        text = None if label in (None, "") else str(label)
        extra = dict(row.extra) if len(row.marks) == 1 else {}
        known = known_of[row.image]
        regions = (SourceRegion(mark, mark.label or text, extra) for mark in row.marks)
        new = [region for region in regions if _place(region) not in known]
        image.regions.extend(new)
        known.update(map(_place, new))
    return list(images.values())


def _place(region: SourceRegion) -> tuple[object, ...]:
    """Return what is equal for one region in several rows of a manifest."""
    spec = region.spec
    geometry = spec and (spec.shape, spec.parts, spec.file, spec.values)
    return geometry, region.label


# --- the answers -----------------------------------------------------------------------------


def _dataset(
    images: Sequence[SourceImage], rows: Sequence[AnsweredRow], paths: ImagePaths
) -> Dataset:
    """Resolve the regions of a source, and give them their answers. Raises InputError."""
    finder = _ImageFinder(images, paths)
    rows_of: dict[int, list[AnsweredRow]] = defaultdict(list)
    failed: dict[int, list[AnsweredRow]] = defaultdict(list)
    unmatched = 0
    for row in rows:
        position = finder.find(row)
        if position is None:
            unmatched += 1
        else:
            (rows_of if row.size else failed)[position].append(row)
    dataset = Dataset([])
    unreadable = 0
    for position, source in enumerate(images):
        size = next((row.size for row in rows_of[position] if row.size), None)
        image = _export_image(source, size, paths)
        unreadable += image is None
        dataset.images.append(image or ExportImage(source.id, source.name, (0, 0)))
        if image is not None:
            unmatched += sum(not add_row(image, row, may_add=False) for row in rows_of[position])
            _add_failed(image, failed[position])
    if unmatched == len(rows):
        raise InputError(
            "no record is about a region of --source: give the file that batch read for these records"
        )
    if unmatched:
        dataset.notes.append(
            f"{count_noun(unmatched, 'record')} about no region of --source: left out"
        )
    if unreadable:
        dataset.notes.append(
            f"{count_noun(unreadable, 'image')} of --source cannot be read: their regions are left out,"
            " where the file is not the source itself"
        )
    return dataset


class _ImageFinder:
    """Finds the image of a record: by its path, its id, or its name if only one image has it."""

    def __init__(self, images: Sequence[SourceImage], paths: ImagePaths) -> None:
        self._paths = paths
        self._by_path: dict[str, int] = {}
        self._by_id: dict[str, int] = {}
        self._by_name: dict[str, list[int]] = defaultdict(list)
        for position, image in enumerate(images):
            self._by_path.setdefault(paths.key(image.name), position)
            self._by_id.setdefault(image.id, position)
            self._by_name[_file_name(image.name)].append(position)

    def find(self, row: AnsweredRow) -> int | None:
        """Return the position of the image, or None."""
        by_path = self._by_path.get(self._paths.key(row.image))
        if by_path is not None:
            return by_path
        by_id = self._by_id.get(row.image_id)
        if by_id is not None:
            return by_id
        named = self._by_name.get(_file_name(row.image), [])
        return named[0] if len(named) == 1 else None


def _file_name(path: str) -> str:
    """Return the end of a path, which may be that of a Windows machine."""
    return re.split(r"[\\/]", path)[-1]


def _export_image(
    source: SourceImage, size: tuple[int, int] | None, paths: ImagePaths
) -> ExportImage | None:
    """Resolve the regions of an image. Returns None if its size is unknown and it cannot be read."""
    file: ImageFile | None = None

    def opened() -> ImageFile:
        nonlocal file
        file = file or open_image(paths.openable(source.name), None)
        return file

    try:
        size = size or opened().size
    except InputError:
        return None
    image = ExportImage(source.id, source.name, size)
    for number, region in enumerate(source.regions, 1):
        mark = None if region.spec is None else _resolve(region.spec, size, opened)
        image.regions.append(Region(mark, region.label, number, region.extra))
    return image


def _resolve(spec: MarkSpec, size: tuple[int, int], opened: Callable[[], ImageFile]) -> Mark | None:
    try:
        resolved = resolve_marks(
            [spec],
            size,
            read_orientation=lambda: opened().read_orientation(),
        )
    except InputError:
        return None
    return resolved.marks[0]


def _add_failed(image: ExportImage, rows: Iterable[AnsweredRow]) -> None:
    """Add the errors of rows that failed before their marks were known, by the numbers in their ids."""
    for row in rows:
        number = row.number
        if number is not None and number <= len(image.regions):
            image.group((number - 1,)).answers.append(row.answer)
        else:
            image.group(()).answers.append(row.answer)
