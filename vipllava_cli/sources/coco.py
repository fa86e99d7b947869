"""COCO: one JSON file with `images`, `annotations` and `categories` -> annotated images.

The `bbox` [x, y, width, height] of an annotation becomes a box, or a contour if CVAT has rotated it. An
annotation without a `bbox` becomes a contour of its `segmentation`: polygons or run lengths.
https://cocodataset.org/#format-data
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any
from urllib.parse import urlsplit

from vipllava_cli.errors import InputError, short_repr
from vipllava_cli.sources.coco_region import coco_region, id_key
from vipllava_cli.sources.coco_results import results_images
from vipllava_cli.sources.files import load_json, matches_all
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.image_finder import ImageFinder, folders_near
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import AnnotatedImage, Annotations, declared_size
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.storage.counts import count_noun

# The file is an object. A list with these fields is of Label Studio.
_START = rb"\A(?:\xef\xbb\xbf)?\s*\{"
_SIGNATURE = (_START, rb'"images"\s*:\s*\[', rb'"(?:annotations|categories)"\s*:\s*\[')
_MAX_LISTED_FILES = 4  # in a message

# A field of the annotations that are no regions -> what the file is.
_OTHER_KINDS: Mapping[str, str] = {
    "caption": "COCO captions",
    "segments_info": "COCO panoptic segmentation, whose regions are in PNG files",
}


def is_coco(name: str) -> bool:
    """Return whether a JSON file looks like COCO. It may still be malformed."""
    return matches_all(name, map(re.compile, _SIGNATURE))


def read_coco(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a COCO file, or those of a folder. Raises InputError for any other source."""
    if os.path.isdir(name):
        return _read_folder(name, options)
    content = _load(name, options)
    finder = ImageFinder(options.image_folders)
    return Annotations(
        name,
        SourceFormat.coco,
        partial(content.iter_images, finder),
        tuple(content.labels.values()),
        notes=tuple(content.notes()),
    )


def _read_folder(folder: str, options: ReadOptions) -> Annotations:
    listing = list_folder(folder)
    paths = [os.path.join(folder, file) for file in listing.with_suffix(".json")]
    files = [path for path in paths if is_coco(path)]
    if not files:
        raise InputError(f"{folder} contains no COCO file: name a folder that contains one")
    names = {os.path.basename(file) for file in files}
    is_split = len(names) == 1 or all(name.startswith("instances_") for name in names)
    if not is_split:
        # Files of captions have no regions.
        first = sorted(files, key=lambda file: not os.path.basename(file).startswith("instances_"))
        listed = ", ".join(first[:_MAX_LISTED_FILES])
        raise InputError(
            f"{folder} contains {len(files)} COCO files, and the same images may be in several:"
            f" name one of them as the source, like {listed}"
        )
    contents = [_load(file, options) for file in files]
    finder = ImageFinder(options.image_folders, folder, listing.images)
    return Annotations(
        folder,
        SourceFormat.coco,
        lambda: chain.from_iterable(
            content.iter_images(finder, source_folder=folder) for content in contents
        ),
        tuple(dict.fromkeys(chain.from_iterable(c.labels.values() for c in contents))),
        folder_images=tuple(os.path.normpath(os.path.join(folder, i)) for i in listing.images),
        notes=tuple(chain.from_iterable(content.notes() for content in contents)),
    )


# --- one file --------------------------------------------------------------------------------

Key = int | str


@dataclass(frozen=True)
class _CocoFile:
    """The content of a file. The key None of `annotations` collects those without an image id.

    With the annotations of a `results` file, images without one are left out. `unused` is the file of
    `--coco` if these are no results.
    """

    name: str
    images: Sequence[Any]
    annotations: Mapping[Key | None, Sequence[Any]]
    labels: Mapping[Key, str]
    results: str | None = None
    unused: str | None = None

    def notes(self) -> Iterator[str]:
        if self.unused:
            yield f"{self.name} contains no COCO results: --coco {self.unused} is not used"
        everything = list(chain.from_iterable(self.annotations.values()))
        turned = sum(isinstance(a, dict) and bool(a.get("rotation")) for a in everything)
        if turned:
            yield (
                f"{self.name}: {count_noun(turned, 'annotation')} with a rotation beside the bbox, which"
                " is not applied: only attributes.rotation is, as CVAT writes it"
            )
        if not self.labels:
            yield f"{self.name} has no categories: the labels are category numbers"
            return
        unlabelled = sum(
            isinstance(annotation, dict)
            and id_key(annotation.get("category_id")) not in self.labels
            for annotation in everything
        )
        if unlabelled:
            yield (
                f"{self.name}: {count_noun(unlabelled, 'annotation')} without a listed category, and so"
                " without a label"
            )

    def iter_images(
        self, finder: ImageFinder, source_folder: str | None = None
    ) -> Iterator[AnnotatedImage | BadRow]:
        """Iterate over the images with their regions, then over annotations without an image.

        In a source folder, the ids of images are their paths in it.
        """
        folders = _image_folders(self.name)
        annotated = self.results or self.name
        listed: set[Key | None] = set()
        for number, image in enumerate(self.images, 1):
            fields = image if isinstance(image, dict) else {}
            key = id_key(fields.get("id"))
            if key is not None and key in listed:
                continue  # the same image again: `_check_ids` refuses another one
            listed.add(key)
            file = _image_name(fields)
            if file is None:
                reason = f'{self.name}, image {number}: expected a "file_name", found {short_repr(image)}'
                yield BadRow(f"image {number}", "", InputError(reason))
                continue
            of_image = self.annotations.get(key, ()) if key is not None else ()
            if self.results and not of_image:
                continue
            regions = tuple(coco_region(annotation, self.labels) for annotation in of_image)
            found = finder.find([file], folders)
            id = file if source_folder is None else finder.image_id(found, source_folder)
            size = declared_size(fields.get("width"), fields.get("height"))
            yield AnnotatedImage(id, found.path, annotated, regions, size, found.error)
        for key, orphans in self.annotations.items():
            if key is None or key not in listed:
                yield from (_orphan_row(annotated, annotation) for annotation in orphans)


def _load(name: str, options: ReadOptions) -> _CocoFile:
    """Read a file. Raises InputError."""
    content = load_json(name, encoding=options.encoding)
    if isinstance(content, list) and content and _is_result(content[0]):
        return _load_results(name, content, options)
    images = content.get("images") if isinstance(content, dict) else None
    if not isinstance(images, list):
        raise InputError(
            f'{name} is not COCO: expected an object with "images", found {short_repr(content)}'
        )
    annotations = content.get("annotations") or []
    if not isinstance(annotations, list):
        raise InputError(
            f'{name}: expected a list of "annotations", found {short_repr(annotations)}'
        )
    _check_kind(name, annotations)
    categories = content.get("categories")
    named = [
        category
        for category in (categories if isinstance(categories, list) else [])
        if isinstance(category, dict) and category.get("name") is not None
    ]
    _check_ids(name, "images", images, "file_name")
    _check_ids(name, "categories", named, "name")
    labels = {id_key(category.get("id")): str(category["name"]) for category in named}
    return _CocoFile(
        name,
        images,
        _group_by_image(annotations),
        {key: label for key, label in labels.items() if key is not None},
        unused=options.coco,
    )


def _is_result(value: Any) -> bool:
    return isinstance(value, dict) and "image_id" in value


def _load_results(name: str, results: Sequence[Any], options: ReadOptions) -> _CocoFile:
    """Read a results list. `options.coco` names its images and categories. Raises InputError."""
    _check_kind(name, results)
    annotations = _group_by_image(results)
    if options.coco is None:
        return _CocoFile(name, results_images(name, results, options), annotations, {})
    named = _load(options.coco, replace(options, coco=None))
    return replace(named, annotations=annotations, results=name)


def _check_kind(name: str, annotations: Sequence[Any]) -> None:
    """Raise InputError for COCO files of other tasks."""
    first = annotations[0] if annotations and isinstance(annotations[0], dict) else {}
    for field, kind in _OTHER_KINDS.items():
        if field in first and not first.keys() & {"bbox", "segmentation", "keypoints"}:
            raise InputError(
                f"{name} contains {kind}: expected annotations with a bbox or a segmentation, as in"
                " instances_….json"
            )


def _check_ids(name: str, what: str, items: Iterable[Any], field: str) -> None:
    """Raise InputError if two items with one id differ in a field: their annotations are mixed."""
    seen: dict[Key, Any] = {}
    for item in items:
        key = id_key(item.get("id")) if isinstance(item, dict) else None
        if key is None:
            continue
        value = seen.setdefault(key, item.get(field))
        if value != item.get(field):
            raise InputError(
                f"{name}: two {what} have the id {key}, {short_repr(value)} and"
                f" {short_repr(item.get(field))}: give each its own id"
            )


def _group_by_image(annotations: Sequence[Any]) -> dict[Key | None, list[Any]]:
    """Group annotations by image id. The key None collects those without an id."""
    groups: dict[Key | None, list[Any]] = {}
    for annotation in annotations:
        key = id_key(annotation.get("image_id")) if isinstance(annotation, dict) else None
        groups.setdefault(key, []).append(annotation)
    return groups


def _orphan_row(name: str, annotation: Any) -> BadRow:
    """Make the bad row for an annotation that belongs to no listed image."""
    key = id_key(annotation.get("id")) if isinstance(annotation, dict) else None
    position = f"annotation {'?' if key is None else key}"
    found = short_repr(annotation)
    reason = f'{name}, {position}: expected the "image_id" of a listed image, found {found}'
    return BadRow(position, "", InputError(reason))


# --- images ----------------------------------------------------------------------------------


def _image_name(fields: Mapping[str, Any]) -> str | None:
    """Return the name of an image. LVIS has only an address, which ends in `val2017/….jpg`."""
    name, address = fields.get("file_name"), fields.get("coco_url")
    if isinstance(name, str) and name:
        return name
    with suppress(ValueError):  # no valid address
        path = urlsplit(address).path if isinstance(address, str) else ""
        return "/".join(path.split("/")[-2:]) or None
    return None


def _image_folders(name: str) -> list[str]:
    """Return the folders that may contain the images of a file.

    `person_keypoints_val2017.json` is about the images of `val2017`.
    """
    near = folders_near(os.path.dirname(name))
    stem = os.path.splitext(os.path.basename(name))[0]
    splits = dict.fromkeys((stem.removeprefix("instances_"), stem.rpartition("_")[2]))
    candidates = (os.path.join(folder, split) for folder in near for split in splits)
    return [*near, *filter(os.path.isdir, candidates)]
