"""Pair the images of a YOLO dataset with their label files, also where they are far apart."""

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import read_head_text, relative_path
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.yolo_classes import LABELS, is_class_file
from vipllava_cli.sources.yolo_dataset import IMAGES, Dataset
from vipllava_cli.sources.yolo_lines import looks_like_yolo
from vipllava_cli.storage.counts import count_noun, list_some

_SUFFIXES = (".txt", ".TXT")


@dataclass(frozen=True)
class Pair:
    """An image and its label file, which may be missing. `error` says why there is no image."""

    id: str
    image: str
    labels: str | None
    error: InputError | None = None


@dataclass(frozen=True)
class Pairs:
    """The pairs of a dataset, in its order, and notes for the user."""

    pairs: Sequence[Pair]
    notes: Sequence[str] = ()


def find_label_file(image: str) -> str | None:
    """Find the label file of an image, or return None.

    It is in `labels` instead of the last `images` folder of the path, or beside the image.
    """
    stem = os.path.splitext(image)[0]
    folder, own_name = os.path.split(os.path.abspath(stem))
    before, _, after = f"{folder}{os.sep}".rpartition(f"{os.sep}{IMAGES}{os.sep}")
    in_labels = os.path.join(before, LABELS, after, own_name) if before else stem
    candidates = (place + suffix for place in (in_labels, stem) for suffix in _SUFFIXES)
    return next(filter(os.path.isfile, candidates), None)


def is_label_file(file: str) -> bool:
    """Return whether the first line of a text file looks like YOLO."""
    if is_class_file(file):
        return False
    return looks_like_yolo(read_head_text(file).strip().partition("\n")[0])


def pair_images(name: str, dataset: Dataset, image_folders: Sequence[str]) -> Pairs:
    """Pair the images with their label files. `image_folders` are those of `--images`.

    A label file whose image is not in its place is found by its name: in the image folders, or in the
    dataset if no image is in its place. Raises InputError for a dataset without any pair.
    """
    pairs = [
        Pair(image, path, find_label_file(path))
        for image in dataset.images
        for path in [os.path.normpath(os.path.join(dataset.folder, image))]
    ]
    used = {os.path.abspath(pair.labels) for pair in pairs if pair.labels}
    texts = (os.path.normpath(os.path.join(dataset.folder, text)) for text in dataset.texts)
    orphans = [text for text in texts if os.path.abspath(text) not in used and is_label_file(text)]
    if not used and not orphans:
        raise InputError(
            f"{name} is not YOLO: expected a .txt beside one of its"
            f" {count_noun(len(dataset.images), 'image')}, or in {LABELS}/ for images in {IMAGES}/"
        )
    if image_folders:
        found = list(_pair_elsewhere(dataset.folder, orphans, image_folders))
        note = f"every label file of {name} has its image there: --images is not used"
        return Pairs([*(pairs if used else ()), *found], () if orphans else (note,))
    if not used:
        found = list(_pair_elsewhere(dataset.folder, orphans, [dataset.folder]))
        if all(pair.error for pair in found):
            raise InputError(
                f"{name} has {count_noun(len(orphans), 'YOLO label file')} and no image for them: name"
                " the folder of the images with --images DIR"
            )
        images = {pair.image for pair in found}
        rest = [pair for pair in pairs if pair.image not in images]
        orphans = [str(pair.labels) for pair in found if pair.error]
        pairs = [*(pair for pair in found if not pair.error), *rest]
    return Pairs(pairs, tuple(_notes(dataset.folder, orphans)))


def _notes(folder: str, orphans: Sequence[str]) -> Iterator[str]:
    if orphans:
        listed = list_some([relative_path(file, folder) for file in orphans])
        yield (
            f"{count_noun(len(orphans), 'label file')} without an image, not read: {listed};"
            " --images DIR names the folder of the images"
        )


def _pair_elsewhere(folder: str, labels: Sequence[str], folders: Sequence[str]) -> Iterator[Pair]:
    """Find the image of each label file by its name, and by the names of the folders above it."""
    index = _index_stems(folders)
    for file in labels:
        stem = os.path.splitext(os.path.basename(file))[0]
        images = _closest(file, index.get(stem.casefold(), {}))
        if len(images) == 1:
            [(image, id)] = images.items()
            yield Pair(id, image, file)
            continue
        id = relative_path(file, folder)
        reason = (
            f"the image of {file} may be {' or '.join(sorted(images)[:3])}"
            if images
            else f"found no image {stem} in {', '.join(folders)}"
        )
        error = InputError(f"{reason}: name its folder with --images DIR")
        yield Pair(id, os.path.splitext(file)[0], file, error)


def _index_stems(folders: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Map the name of each image without its suffix to the paths and ids of such images."""
    index: dict[str, dict[str, str]] = defaultdict(dict)
    for folder in folders:
        for image in list_folder(folder).images:
            stem = os.path.splitext(os.path.basename(image))[0].casefold()
            index[stem][os.path.normpath(os.path.join(folder, image))] = image
    return index


def _closest(file: str, images: Mapping[str, str]) -> Mapping[str, str]:
    """Return the images whose folders are named most like those of a label file."""
    if len(images) < 2:
        return images
    own = _folders(file)
    lengths = {image: _common_end(own, _folders(image)) for image in images}
    longest = max(lengths.values())
    return {image: id for image, id in images.items() if lengths[image] == longest}


def _folders(path: str) -> list[str]:
    parts = os.path.dirname(os.path.abspath(path)).split(os.sep)
    return [part for part in parts if part not in (IMAGES, LABELS)]


def _common_end(one: Sequence[str], other: Sequence[str]) -> int:
    pairs = enumerate(zip(reversed(one), reversed(other), strict=False))
    return next((count for count, (a, b) in pairs if a != b), min(len(one), len(other)))
