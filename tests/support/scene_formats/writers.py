"""The table of writers: what each tool writes, and which regions it can hold."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.scene_formats import (
    coco,
    fiftyone,
    manifests,
    masks,
    one_file,
    per_image,
    video,
)
from tests.support.scene_formats.scenes import (
    BOX,
    POINT,
    POLYGON,
    ROTATED,
    SceneImage,
    label_number,
)
from tests.support.scene_formats.written import Written
from tests.support.zips import pack_folder
from vipllava_cli.sources.formats import SourceFormat

ALL_KINDS = (BOX, POLYGON, ROTATED, POINT)


def _same(label: str) -> str | None:
    return label


def _no_label(_: str) -> str | None:
    return None


@dataclass(frozen=True)
class Writer:
    """A writer. `format` is the value of `SourceFormat` whose reader reads it.

    `kinds` are the kinds of regions that it can hold. `label_of` returns what the reader makes of a
    label.
    """

    name: str
    format: str
    kinds: Sequence[str]
    write: Callable[[Path, Sequence[SceneImage]], Written]
    label_of: Callable[[str], str | None] = _same


_WRITERS = (
    Writer("coco", "coco", (BOX, POLYGON), coco.plain),
    Writer("coco-float-ids", "coco", (BOX, POLYGON), coco.float_ids),
    Writer("coco-string-ids", "coco", (BOX,), coco.string_ids),
    Writer("coco-stored-axes", "coco", (BOX, POLYGON), coco.stored_axes),
    Writer("coco-results", "coco", (BOX,), coco.results),
    Writer("coco-roboflow", "coco", (BOX, POLYGON), coco.roboflow),
    Writer("coco-cvat", "coco", (BOX, POLYGON, ROTATED), coco.cvat),
    Writer("lvis", "coco", (BOX,), coco.lvis),
    Writer("labelme", "labelme", ALL_KINDS, per_image.labelme),
    Writer("labelme-windows", "labelme", ALL_KINDS, per_image.labelme_windows),
    Writer("labelme-embedded", "labelme", ALL_KINDS, per_image.labelme_embedded),
    Writer("voc", "voc", (BOX, ROTATED), per_image.voc),
    Writer("yolo", "yolo", (BOX,), per_image.yolo_detect),
    Writer("yolo-segment", "yolo", (POLYGON,), per_image.yolo_segment),
    Writer("yolo-pose", "yolo", (BOX,), per_image.yolo_pose),
    Writer("yolo-obb", "yolo", (ROTATED,), per_image.yolo_obb),
    Writer("yolo-confidence", "yolo", (BOX,), per_image.yolo_confidence),
    Writer("yolo-track", "yolo", (BOX,), per_image.yolo_track),
    Writer("yolo-roboflow", "yolo", (BOX,), per_image.yolo_roboflow),
    Writer("yolo-darknet", "yolo", (BOX,), per_image.yolo_darknet),
    Writer("cvat", "cvat", ALL_KINDS, one_file.cvat),
    Writer("label-studio", "label-studio", ALL_KINDS, one_file.label_studio),
    Writer("label-studio-min", "label-studio", ALL_KINDS, one_file.label_studio_min),
    Writer("open-images", "open-images", (BOX,), one_file.open_images, one_file.open_images_label),
    Writer("image-folder", "image-folder", (BOX,), manifests.image_folder, label_number),
    Writer("llava", "json", (BOX,), manifests.llava, _no_label),
    Writer("sharegpt", "jsonl", (BOX,), manifests.sharegpt, _no_label),
    Writer("csv-x1", "csv", (BOX,), manifests.table(manifests.edges("x1", "y1", "x2", "y2"))),
    Writer(
        "csv-xmin",
        "csv",
        (BOX,),
        manifests.table(manifests.edges("xmin", "ymin", "xmax", "ymax"), image_column="filename"),
    ),
    Writer(
        "csv-upper-case",
        "csv",
        (BOX,),
        manifests.table(manifests.edges("X_Min", "Y_Min", "X_Max", "Y_Max"), image_column="Path"),
    ),
    Writer("csv-bbox", "csv", (BOX,), manifests.table(manifests.bbox_text, ";")),
    Writer("csv-box", "csv", (BOX,), manifests.table(manifests.box_text, encoding="utf-8-sig")),
    Writer("csv-box-and-size", "csv", (BOX,), manifests.table(manifests.box_and_size_text)),
    Writer("csv-shapes", "csv", ALL_KINDS, manifests.table(manifests.outline_text)),
    Writer("csv-utf-16", "csv", (BOX,), manifests.table(manifests.box_text, encoding="utf-16")),
    Writer("tsv-box", "tsv", (BOX,), manifests.table(manifests.box_text, "\t")),
    Writer("tsv-marks", "tsv", ALL_KINDS, manifests.table(manifests.marks_text, "\t")),
    Writer("json-bbox", "json", (BOX,), manifests.json_rows(manifests.bbox_list, "file_name")),
    Writer("json-boxes", "json", (BOX,), manifests.json_rows(manifests.boxes_list)),
    Writer(
        "jsonl-bboxes", "jsonl", (BOX,), manifests.jsonl_rows(manifests.bboxes_list, "img_path")
    ),
    Writer("jsonl-shapes", "jsonl", ALL_KINDS, manifests.jsonl_rows(manifests.outline_text)),
    Writer("jsonl-marks", "jsonl", ALL_KINDS, manifests.jsonl_rows(manifests.marks_list)),
    Writer("via", "via", (BOX, POLYGON, POINT), one_file.via),
    Writer("via-json", "via", (BOX, POLYGON, POINT), one_file.via_json),
    Writer("via-csv", "via", (BOX, POLYGON, POINT), one_file.via_csv),
    Writer("supervisely", "supervisely", (BOX, POLYGON, POINT), per_image.supervisely),
    Writer("cvat-video", "cvat", ALL_KINDS, video.cvat),
    Writer("fiftyone", "fiftyone", (BOX, POLYGON, POINT), fiftyone.samples),
)

_ZIPPED = (
    "coco-roboflow",
    "coco-cvat",
    "labelme",
    "voc",
    "yolo-roboflow",
    "yolo-darknet",
    "cvat",
    "label-studio",
    "via",
    "supervisely",
)


def _zipped(writer: Writer) -> Writer:
    """Make the writer of a ZIP archive with what another writer writes."""

    def write(folder: Path, images: Sequence[SceneImage]) -> Written:
        content = folder / "content"
        content.mkdir(parents=True)
        written = writer.write(content, images)
        assert written == Written(written.source), "the archive would need options"
        archive = pack_folder(content, folder / "export.zip")
        shutil.rmtree(content)
        return Written(archive)

    return replace(writer, name=f"{writer.name}-zip", write=write)


# The writers of a format without a reader start to be used with the reader.
_READ = tuple(each for each in _WRITERS if each.format in set(SourceFormat))
WRITERS = (*_READ, *(_zipped(each) for each in _READ if each.name in _ZIPPED))

# They write boxes as masks.
MASK_WRITERS = (
    Writer("cvat-mask", "cvat", (BOX,), masks.cvat),
    Writer("label-studio-brush", "label-studio", (BOX,), masks.label_studio),
    Writer("supervisely-bitmap", "supervisely", (BOX,), masks.supervisely),
)
