"""Nothing that looks like annotations is passed over in silence."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.sources import write_coco, write_file, write_images, write_labelme, write_voc
from tests.support.zips import pack_folder
from vipllava_cli.marks.marked_image import open_image
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.rows import Row

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


def test_archives_in_a_folder_are_named(tmp_path: Path) -> None:
    for name in ("export.zip", "deep/more.tar.gz"):
        write_file(tmp_path / name, b"PK")
    write_images(tmp_path, "a.jpg")
    [note] = [note for note in read_notes(tmp_path) if "archives" in note]
    assert str(tmp_path / "export.zip") in note
    assert "more.tar.gz" in note
    write_labelme(tmp_path)
    assert any("archives" in note for note in read_notes(tmp_path))


def test_the_advice_to_name_a_file_works_as_it_is(tmp_path: Path) -> None:
    write_images(tmp_path / "set", "a.jpg")
    write_file(tmp_path / "set" / "deep" / "er" / "rows.csv", "image,question\n../../a.jpg,what?\n")
    archive = pack_folder(tmp_path / "set", tmp_path / "set.zip", "set/")
    for source in (tmp_path / "set", archive):
        [note] = [note for note in read_notes(source) if "as the source" in note]
        [named] = [word for word in note.replace(";", "").split() if word.endswith("rows.csv")]
        [row] = read_source(named).rows
        assert isinstance(row, Row)
        assert row.questions == ("what?",)
        assert open_image(row.image).size == (200, 100)


def test_one_file_of_a_format_among_many_of_another_is_named(tmp_path: Path) -> None:
    write_labelme(tmp_path)
    for number in range(50):
        write_images(tmp_path, f"a{number}.jpg")
        shutil.copy(tmp_path / "b.json", tmp_path / f"a{number}.json")
    write_coco(tmp_path / "z")
    assert any("coco" in note and "also" in note for note in read_notes(tmp_path))


def test_numbers_of_label_files_are_named(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg")
    write_file(tmp_path / "regions" / "b.txt", "0 0.5 0.5 0.2 0.2\n")
    assert any("regions/b.txt" in note for note in read_notes(tmp_path))


def test_annotations_in_utf_16_are_read(tmp_path: Path) -> None:
    for write, name in ((write_voc, "Annotations/a.xml"), (write_labelme, "a.json")):
        folder = write(tmp_path / write.__name__)
        count = len(list(read_source(str(folder)).rows))
        file = folder / name
        file.write_bytes(file.read_text("utf-8").encode("utf-16"))
        source = read_source(str(folder))
        assert source.format != SourceFormat.folder
        assert len(list(source.rows)) == count
        assert len(list(read_source(str(file)).rows)) == count


def test_the_splits_of_an_image_folder_are_read(tmp_path: Path) -> None:
    for split in ("train", "test"):
        shutil.copytree(CASES / "65-hf-imagefolder", tmp_path / split)
    assert [row.id for row in read_source(str(tmp_path)).rows] == [
        "test/a.jpg#1",
        "train/a.jpg#1",
    ]


def test_the_splits_of_roboflow_are_read(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        shutil.copytree(CASES / "14-roboflow-coco-folder" / "train", tmp_path / split)
    archive = pack_folder(tmp_path, tmp_path.with_suffix(".zip"))
    for source in (tmp_path, archive):
        rows = list(read_source(str(source)).rows)
        assert sorted(row.id for row in rows) == ["test/a.jpg#1", "train/a.jpg#1", "valid/a.jpg#1"]
        assert len({row.image for row in rows}) == 3


def test_a_manifest_beside_annotations_is_named(tmp_path: Path) -> None:
    write_coco(tmp_path)
    before = read_notes(tmp_path)
    write_file(tmp_path / "results.csv", "epoch,loss\n1,0.5\n")
    write_file(tmp_path / "records.jsonl", '{"schema": 1, "image": "a.jpg", "question": "x"}\n')
    assert read_notes(tmp_path) == before
    write_file(tmp_path / "rows.jsonl", '{"image": "val2017/a.jpg", "question": "what?"}\n')
    write_file(tmp_path / "rows.csv", "image,question\nval2017/a.jpg,what?\n")
    [note] = [note for note in read_notes(tmp_path) if note not in before]
    assert str(tmp_path / "rows.csv") in note
    assert str(tmp_path / "rows.jsonl") in note
    assert "as the source" in note


@pytest.mark.parametrize(
    "table",
    [
        "filename,region_shape_attributes,region_attributes\n"
        'a.jpg,"{""name"":""point"",""cx"":10,""cy"":20}",{}\n',
        "id,image,label\n"
        '1,a.jpg,"[{""x"":1,""y"":1,""width"":9,""height"":9,""original_width"":200}]"\n',
    ],
    ids=["via", "label-studio"],
)
def test_the_table_that_is_read_is_not_said_to_be_unread(tmp_path: Path, table: str) -> None:
    write_images(tmp_path, "a.jpg")
    write_file(tmp_path / "export.csv", table)
    assert read_source(str(tmp_path)).total == 1
    assert not [note for note in read_notes(tmp_path) if "as the source" in note]
    write_file(tmp_path / "rows.csv", "image,question\na.jpg,what?\n")
    [note] = [note for note in read_notes(tmp_path) if "as the source" in note]
    assert "rows.csv" in note
    assert "export.csv" not in note
