"""The values of `--format` and `--per`. This module imports no reader, so that `--help` stays fast."""

from enum import StrEnum


class SourceFormat(StrEnum):
    """The format of a source. `auto` detects it from the content."""

    auto = "auto"
    folder = "folder"
    jsonl = "jsonl"
    json = "json"
    csv = "csv"
    tsv = "tsv"
    coco = "coco"
    labelme = "labelme"
    voc = "voc"
    yolo = "yolo"
    cvat = "cvat"
    label_studio = "label-studio"
    via = "via"
    supervisely = "supervisely"
    open_images = "open-images"
    image_folder = "image-folder"
    fiftyone = "fiftyone"
    vip_bench = "vip-bench"


class RowUnit(StrEnum):
    """What one row of an annotated source covers."""

    region = "region"
    image = "image"
