"""Detection of a source's format by its content."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.sources import (
    read_error,
    write_coco,
    write_file,
    write_image_folder,
    write_labelme,
    write_vip_bench,
    write_voc,
    write_yolo,
)
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import READERS, read_source


def copy_case(folder: Path, name: str) -> Path:
    """Copy a file of the cases to a name without a suffix that would tell the format."""
    return Path(shutil.copy(ROOT / "tests" / "fixtures" / "cases" / name, folder / "copy.txt"))


# File names without a suffix that would tell the format, where the content is enough.
ONE_OF_EACH: Mapping[str, Callable[[Path], Path]] = {
    "folder": write_image_folder,
    "jsonl": lambda folder: write_file(
        folder / "list.txt", '{"image": "a.jpg"}\n{"image": "b.jpg"}\n'
    ),
    "json": lambda folder: write_file(folder / "list.txt", [{"image": "a.jpg"}]),
    "csv": lambda folder: write_file(folder / "list.txt", "id,image\n1,a.jpg\n"),
    "tsv": lambda folder: write_file(folder / "list.txt", "id\timage\n1\ta.jpg\n"),
    "coco": lambda folder: write_coco(folder).rename(folder / "of-coco.txt"),
    "labelme": write_labelme,
    "voc": write_voc,
    "yolo": write_yolo,
    "cvat": lambda folder: copy_case(folder, "60-cvat-xml/annotations.xml"),
    "label-studio": lambda folder: copy_case(folder, "61-labelstudio-json/min.json"),
    "via": lambda folder: copy_case(folder, "62-via-json/via_region_data.json"),
    "supervisely": lambda folder: copy_case(folder, "63-supervisely/ds/ann/a.jpg.json"),
    "open-images": lambda folder: copy_case(folder, "68-openimages/val.csv"),
    "image-folder": lambda folder: copy_case(folder, "65-hf-imagefolder/metadata.jsonl"),
    "fiftyone": lambda folder: write_file(
        folder / "list.txt",
        {"samples": [{"filepath": "a.jpg", "spot": {"_cls": "Keypoint", "points": [[0.1, 0.2]]}}]},
    ),
    "vip-bench": write_vip_bench,
}


@pytest.mark.parametrize("format", READERS)
def test_every_format_is_detected_by_its_content(tmp_path: Path, format: SourceFormat) -> None:
    source = read_source(str(ONE_OF_EACH[format](tmp_path)))
    assert source.format == format
    assert len(list(source.rows)) == source.total


def test_an_unknown_format_is_a_one_line_error(tmp_path: Path) -> None:
    for source in (
        write_file(tmp_path / "notes.txt", "nothing of use\n"),
        write_file(tmp_path / "empty.txt", ""),
        write_file(tmp_path / "x.xml", "<svg></svg>"),
        write_file(tmp_path / "x.bin", bytes(range(256))),
    ):
        message = read_error(source)
        assert "--format" in message
        assert all(format in message for format in READERS)
    assert "no file" in read_error(tmp_path / "absent.jsonl")
