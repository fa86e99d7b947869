"""YOLO: one text file per image, one line per region -> annotated images.

The label files are beside the images, or in `labels/` if the images are in `images/`. The lines are
described in `yolo_lines`. https://docs.ultralytics.com/datasets/detect/
"""

import os
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import islice

from vipllava_cli.errors import InputError
from vipllava_cli.sources.files import read_head_text, read_text
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import AnnotatedImage, Annotations
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.sources.yolo_dataset import (
    LABELS,
    DatasetInfo,
    folder_info,
    yaml_images,
    yaml_info,
)
from vipllava_cli.sources.yolo_lines import looks_like_yolo, read_lines
from vipllava_cli.storage.counts import count_noun

_MAX_SAMPLES = 20  # label files that detection reads
_IMAGES = "images"
_SUFFIXES = (".txt", ".TXT")


def is_yolo(folder: str, images: Sequence[str]) -> bool:
    """Return whether the first non-empty label file of the images looks like YOLO."""
    files = filter(None, (find_label_file(os.path.join(folder, image)) for image in images))
    for file in islice(files, _MAX_SAMPLES):
        line = read_head_text(file).strip().partition("\n")[0]
        if line:
            return looks_like_yolo(line)
    return False


def read_yolo(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a YOLO folder, or the images that a `data.yaml` describes.

    Raises InputError if no image has a label file.
    """
    notes: tuple[str, ...] = ()
    if os.path.isdir(name):
        listing = list_folder(name)
        folder, paths, info = name, listing.images, folder_info(name, listing.others)
    else:
        listed = yaml_images(name)
        folder, paths, notes = listed.folder, tuple(listed.images), tuple(listed.notes)
        info = yaml_info(name)
    images = [path for path in paths if _IMAGES in path.split("/")[:-1]] or list(paths)
    if not any(find_label_file(os.path.join(folder, path)) for path in images):
        raise InputError(
            f"{name} is not YOLO: expected a .txt beside one of its"
            f" {count_noun(len(images), 'image')}, or in {LABELS}/ for images in {_IMAGES}/"
        )
    if not info.class_names:
        notes = (*notes, f"no class file in {name}: the labels are class numbers")
    return Annotations(
        name,
        SourceFormat.yolo,
        partial(_iter_images, folder, images, info, options.encoding),
        tuple(info.class_names.values()),
        notes=notes,
    )


def find_label_file(image: str) -> str | None:
    """Find the label file of an image, or return None.

    It is in `labels` instead of the last `images` folder of the path, or beside the image.
    """
    stem = os.path.splitext(image)[0]
    folder, own_name = os.path.split(os.path.abspath(stem))
    before, _, after = f"{folder}{os.sep}".rpartition(f"{os.sep}{_IMAGES}{os.sep}")
    in_labels = os.path.join(before, LABELS, after, own_name) if before else stem
    candidates = (place + suffix for place in (in_labels, stem) for suffix in _SUFFIXES)
    return next(filter(os.path.isfile, candidates), None)


def _iter_images(
    folder: str, images: Sequence[str], info: DatasetInfo, encoding: str | None
) -> Iterator[AnnotatedImage | BadRow]:
    for name in images:
        image = os.path.normpath(os.path.join(folder, name))
        file = find_label_file(image)
        try:
            lines = read_text(file, encoding).splitlines() if file else []
        except InputError as error:
            yield BadRow(name, image, error)
        else:
            regions = read_lines(lines, info.class_names, info.keypoints)
            yield AnnotatedImage(name, image, file or image, regions)
