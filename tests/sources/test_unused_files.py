"""Nothing that looks like annotations is passed over in silence."""

import shutil
from pathlib import Path

from tests.conftest import ROOT
from tests.support.sources import write_file, write_images, write_labelme, write_voc
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import read_source

CASES = ROOT / "tests" / "fixtures" / "cases"


def read_notes(folder: Path) -> list[str]:
    return list(read_source(str(folder)).notes)


def test_a_manifest_in_a_folder_of_images_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg")
    write_file(tmp_path / "questions.csv", "image,question\na.jpg,what?\n")
    [note] = [note for note in read_notes(tmp_path) if "questions.csv" in note]
    assert "as the source" in note


def test_files_of_no_known_format_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, "images/a.jpg", "b.jpg")
    write_file(tmp_path / "labels" / "a.txt", "bolt at the left\n")
    write_file(tmp_path / "b.xml", "<svg/>")
    write_file(tmp_path / "readme.txt", "about these images")
    assert read_source(str(tmp_path)).format == SourceFormat.folder
    [note] = [note for note in read_notes(tmp_path) if "labels/a.txt" in note]
    assert "b.xml" in note
    assert "readme.txt" not in note


def test_annotations_of_a_second_format_are_named(tmp_path: Path) -> None:
    write_labelme(tmp_path)
    write_voc(tmp_path)
    assert any("labelme" in note and "also" in note for note in read_notes(tmp_path))


def test_a_folder_with_one_format_has_no_such_note(tmp_path: Path) -> None:
    copy = tmp_path / "case"
    shutil.copytree(CASES / "53-yolo-float-class", copy)
    [note] = read_notes(copy)
    assert "as yolo" in note
