"""YOLO: `images/`, `labels/` and a `data.yaml`. The answers are in `answers.jsonl` beside it.

A box is `class cx cy w h`, any other region the `x y` of its outline, in shares of the sides. A line of
`answers.jsonl` names a label file and a line in it. https://docs.ultralytics.com/datasets/segment/
"""

import io
import json
import os
from collections.abc import Callable, Iterator
from functools import partial

from vipllava_cli.errors import InputError
from vipllava_cli.flows.export.attributes import answer_attributes, region_attributes
from vipllava_cli.flows.export.dataset import UNLABELLED, Dataset, ExportImage
from vipllava_cli.flows.export.geometry import ShapeConverter, clipped
from vipllava_cli.flows.export.output import Content, Export, Target
from vipllava_cli.flows.export.per_image import image_stems
from vipllava_cli.images.data_address import is_data_address
from vipllava_cli.images.fetch import read_bytes
from vipllava_cli.images.load import load_image
from vipllava_cli.images.source import FIRST_FRAME, parse_source
from vipllava_cli.marks.types import Mark
from vipllava_cli.sources.folder import image_suffixes
from vipllava_cli.storage.counts import count_noun
from vipllava_cli.storage.regular_files import is_stream

ANSWERS = "answers.jsonl"

_SHAPES = {
    "ellipse": "contour",
    "triangle": "contour",
    "mask": "contour",
    "point": "box",
    "arrow": "box",
    "scribble": "box",
}
_DIGITS = 9  # of a share of a side


def write_yolo(dataset: Dataset, target: Target) -> Export:
    """Write a dataset with copies of its images. Raises InputError if no image can be read."""
    import yaml

    shapes = ShapeConverter(_SHAPES, is_single_part=True)
    labels = dataset.labels(UNLABELLED) or [UNLABELLED]
    numbers = {label: number for number, label in enumerate(labels)}
    images = [image for image in dataset.images if image.size[0]]
    stems = image_stems(images, target)
    files: dict[str, Content] = {}
    answers: list[str] = []
    missing = 0
    for image in images:
        stem, name = stems[image.name], target.paths.openable(image.name)
        try:
            suffix, read = _image_file(name)
        except InputError:
            missing += 1
            continue
        files[f"images/{stem}{suffix}"] = read
        lines = []
        for position, region, original in image.marked():
            mark = shapes.convert(original, image.size)
            lines.append(f"{numbers[region.label or UNLABELLED]} {_numbers(mark, image.size)}\n")
            attributes = region_attributes(region.extra, image.answers_of(position))
            place = {"file": f"labels/{stem}.txt", "line": len(lines)}
            answers.append(_line({**place, "label": region.label, **attributes}))
        files[f"labels/{stem}.txt"] = "".join(lines).encode()
        answers += _image_answers(image, f"images/{stem}{suffix}")
    if not files:
        raise InputError("YOLO holds copies of the images, and none of them can be read")
    # No `path`: it would be relative to the working directory of the training program.
    yaml_file = {"train": "images", "val": "images", "names": dict(enumerate(labels))}
    files["data.yaml"] = yaml.safe_dump(yaml_file, allow_unicode=True, sort_keys=False).encode()
    files[ANSWERS] = "".join(answers).encode()
    notes = list(shapes.notes())
    if missing:
        notes.append(
            f"{count_noun(missing, 'image')} cannot be copied, or only from the web: left out"
        )
    return Export(files, notes)


def _image_file(name: str) -> tuple[str, Callable[[], bytes]]:
    """Return the suffix of a copy of an image, and what reads it. Raises InputError.

    A frame other than the first becomes a PNG. An export downloads nothing.
    """
    source = parse_source(name)
    if is_data_address(name):
        return ".png", partial(_png, name)
    if not source.is_local or is_stream(source.location):
        raise InputError(f"{name} is no file")
    if source.frame not in (None, FIRST_FRAME):
        return ".png", partial(_png, name)
    suffix = os.path.splitext(source.location.partition("?")[0])[1].lower()
    if suffix not in image_suffixes():
        return ".png", partial(_png, name)
    if not os.path.isfile(source.location):
        read_bytes(source.location)  # raises the error, or reads from an archive
    return suffix, partial(read_bytes, source.location)


def _png(name: str) -> bytes:
    file = io.BytesIO()
    load_image(name).save(file, "PNG")
    return file.getvalue()


def _numbers(mark: Mark, size: tuple[int, int]) -> str:
    """Return the shares of a mark. Training programs refuse files with shares outside of 0 to 1."""
    width, height = size
    if mark.shape == "box":
        left, top, right, bottom = mark.bounds
        values = [
            (left + right) / 2 / width,
            (top + bottom) / 2 / height,
            (right - left) / width,
            (bottom - top) / height,
        ]
    else:
        [outline] = mark.parts
        inside = clipped(outline, size)
        points = inside if len(inside) > 2 else outline
        values = [share for x, y in points for share in (x / width, y / height)]
    return " ".join(f"{value:.{_DIGITS}f}" for value in values)


def _image_answers(image: ExportImage, file: str) -> Iterator[str]:
    attributes = answer_attributes(image.answers)
    if attributes:
        yield _line({"file": file, "line": None, **attributes})


def _line(value: dict[str, object]) -> str:
    return json.dumps(value) + "\n"
