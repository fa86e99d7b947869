"""The file that `batch` read, with the answers of its records: images and regions in its order."""

import re
from collections import Counter, defaultdict
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
    rows_of: dict[tuple[int, ...], list[AnsweredRow]] = defaultdict(list)
    for row in rows:
        rows_of[finder.find(row)].append(row)
    unmatched = len(rows_of.pop((), ()))
    sizes = {
        position: row.size
        for positions, own in rows_of.items()
        for row in reversed(own)
        if row.size
        for position in positions
    }
    dataset = Dataset([_export_image(each, sizes.get(at), paths) for at, each in enumerate(images)])
    unreadable = sum(not image.size[0] for image in dataset.images)
    for positions, own in rows_of.items():
        unmatched += _add_rows([dataset.images[at] for at in positions], own)
    if unmatched == len(rows):
        raise InputError(
            "no record is about a region of --source: give the file that batch read for these records,"
            " and the --images of that batch"
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
        self._keys = [paths.key(image.name) for image in images]
        self._by_path: dict[str, list[int]] = defaultdict(list)
        self._by_id: dict[str, list[int]] = defaultdict(list)
        self._by_name: dict[str, list[int]] = defaultdict(list)
        for position, image in enumerate(images):
            self._by_path[self._keys[position]].append(position)
            self._by_id[image.id].append(position)
            self._by_name[_file_name(image.name)].append(position)

    def find(self, row: AnsweredRow) -> tuple[int, ...]:
        """Return the positions of the image: several if the source lists it several times."""
        by_path = self._by_path.get(self._paths.key(row.image))
        if by_path is not None:
            return tuple(by_path)
        by_id = self._by_id.get(row.image_id)
        if by_id is not None:
            return tuple(by_id)
        named = self._by_name.get(_file_name(row.image), ())
        is_one_image = len({self._keys[position] for position in named}) == 1
        return tuple(named) if is_one_image else ()


def _file_name(path: str) -> str:
    """Return the end of a path, which may be that of a Windows machine."""
    return re.split(r"[\\/]", path)[-1]


def _export_image(
    source: SourceImage, size: tuple[int, int] | None, paths: ImagePaths
) -> ExportImage:
    """Resolve the regions of an image.

    An image of unknown size that cannot be read has the size (0, 0), and its regions have no marks.
    """
    file: ImageFile | None = None

    def opened() -> ImageFile:
        nonlocal file
        file = file or open_image(paths.openable(source.name), None)
        return file

    try:
        size = size or opened().size
    except InputError:
        size = None
    image = ExportImage(source.id, source.name, size or (0, 0))
    for number, region in enumerate(source.regions, 1):
        mark = _resolve(region.spec, size, opened) if region.spec and size else None
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


def _add_rows(entries: Sequence[ExportImage], rows: Iterable[AnsweredRow]) -> int:
    """Add rows to the entries of their image. Returns how many are about no region of it.

    Of rows with one id and one question, the first begins to look at the first entry, the second at the
    second.
    """
    unmatched = 0
    seen: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        same = row.row_id, row.answer.question, row.answer.model
        first = seen[same] % len(entries)
        seen[same] += 1
        ordered = (*entries[first:], *entries[:first])
        if row.size is None:
            _add_failed(ordered[0], row)
        elif not any(add_row(entry, row, may_add=False) for entry in ordered):
            unmatched += 1
    return unmatched


def _add_failed(image: ExportImage, row: AnsweredRow) -> None:
    """Add the error of a row that failed before its marks were known, by the number in its id."""
    number = row.number or 0
    is_region = 0 < number <= len(image.regions)
    image.group((number - 1,) if is_region else ()).answers.append(row.answer)
