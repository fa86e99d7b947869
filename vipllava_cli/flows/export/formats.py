"""The values of `--to`. This module imports no writer, so that `--help` stays fast."""

from enum import StrEnum


class ExportFormat(StrEnum):
    """The format of an export. The names are those of `SourceFormat`, where a reader exists."""

    coco = "coco"
    labelme = "labelme"
    voc = "voc"
    yolo = "yolo"
    label_studio = "label-studio"
    cvat = "cvat"
    fiftyone = "fiftyone"
    llava = "llava"
    csv = "csv"
