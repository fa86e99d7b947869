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
from vipllava_cli.sources.folder import Listing
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.read_options import DEFAULT_OPTIONS, ReadOptions
from vipllava_cli.sources.regions import AnnotatedImage, Annotations
from vipllava_cli.sources.rows import BadRow
from vipllava_cli.sources.yolo_classes import DatasetInfo
from vipllava_cli.sources.yolo_dataset import open_dataset
from vipllava_cli.sources.yolo_lines import looks_like_yolo, read_lines
from vipllava_cli.sources.yolo_pairs import Pair, find_label_file, is_label_file, pair_images

_MAX_SAMPLES = 20  # label files with content that detection reads
_MAX_FILES = 1000  # label files whose beginning detection reads; most may be empty


def is_yolo(folder: str, listing: Listing) -> bool:
    """Return whether one of the first non-empty label files of the images looks like YOLO.

    Without any: whether the first text files do, if there is no image or an image of their name.
    """
    paths = (os.path.join(folder, image) for image in listing.images)
    files = filter(None, map(find_label_file, paths))
    heads = (read_head_text(file).strip() for file in islice(files, _MAX_FILES))
    lines = [head.partition("\n")[0] for head in islice(filter(None, heads), _MAX_SAMPLES)]
    if lines:
        return any(map(looks_like_yolo, lines))
    stems = {_stem(image) for image in listing.images}
    texts = [text for text in listing.with_suffix(".txt") if not stems or _stem(text) in stems]
    return any(is_label_file(os.path.join(folder, text)) for text in texts[:_MAX_SAMPLES])


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def read_yolo(name: str, options: ReadOptions = DEFAULT_OPTIONS) -> Annotations:
    """Read a YOLO folder, or the images that a `data.yaml` or an `obj.data` describes.

    Raises InputError if no image has a label file.
    """
    dataset = open_dataset(name, options.encoding)
    info = dataset.info
    found = pair_images(name, dataset, options.image_folders)
    return Annotations(
        name,
        SourceFormat.yolo,
        partial(_iter_images, found.pairs, info, options.encoding),
        tuple(info.class_names.values()),
        notes=(*dataset.notes, *found.notes, *filter(None, [info.note])),
    )


def _iter_images(
    pairs: Sequence[Pair], info: DatasetInfo, encoding: str | None
) -> Iterator[AnnotatedImage | BadRow]:
    for pair in pairs:
        try:
            lines = read_text(pair.labels, encoding).splitlines() if pair.labels else []
        except InputError as error:
            yield BadRow(pair.id, pair.image, error)
        else:
            regions = read_lines(lines, info.class_names, info.keypoints)
            file = pair.labels or pair.image
            yield AnnotatedImage(pair.id, pair.image, file, regions, None, pair.error)
