"""Label files of YOLO whose images are elsewhere, or nowhere."""

from pathlib import Path

from tests.support.sources import read_error, read_rows, resolve, write_file, write_images
from tests.support.zips import pack_folder
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.read_options import ReadOptions

LINE = "0 0.5 0.5 0.5 0.5\n"
BOUNDS = (50, 25, 150, 75)


def test_a_note_counts_label_files_without_an_image(tmp_path: Path) -> None:
    write_images(tmp_path, "images/a.jpg")
    for name in "abcdef":
        write_file(tmp_path / "labels" / f"{name}.txt", LINE)
    write_file(tmp_path / "classes.txt", "bolt\n")
    write_file(tmp_path / "train.txt", "images/a.jpg\n")
    source = read_source(str(tmp_path))
    assert len(list(source.rows)) == 1
    [note] = [note for note in source.notes if "without an image" in note]
    assert note.startswith("5 label files")
    assert "labels/b.txt, labels/c.txt, labels/d.txt and 2 more" in note


def test_labels_alone_take_their_images_from_elsewhere(tmp_path: Path) -> None:
    labels, photos = tmp_path / "export", tmp_path / "photos"
    for split in ("train", "val"):
        write_file(labels / "labels" / split / "a.txt", LINE)
        write_images(photos, f"{split}/a.jpg")
    write_images(photos, "val/b.jpg")
    write_file(labels / "labels" / "val" / "b.txt", LINE)
    write_file(labels / "labels" / "val" / "c.txt", LINE)
    write_file(labels / "data.yaml", "train: images/train\nval: images/val\nnames: [bolt]\n")
    options = ReadOptions((str(photos),))
    archive = pack_folder(labels, tmp_path / "labels.zip")
    for source in (labels, labels / "data.yaml", archive):
        assert "--images DIR" in read_error(source)
        rows = read_rows(source, options=options)
        found = {row.id: row.image for row in rows if row.image_error is None}
        assert found == {
            f"{image}#1": str(photos / image) for image in ("train/a.jpg", "val/a.jpg", "val/b.jpg")
        }
        [missing] = [row for row in rows if row.image_error]
        assert missing.id == "labels/val/c.txt#1"
        assert str(photos) in str(missing.image_error)
        assert [resolve(row.marks)[0].bounds for row in rows[:3]] == [BOUNDS] * 3
        assert rows[0].extra["label"] == "bolt"


def test_an_ambiguous_image_is_an_error(tmp_path: Path) -> None:
    write_images(tmp_path / "photos", "x/a.jpg", "y/a.jpg")
    write_file(tmp_path / "labels" / "a.txt", LINE)
    options = ReadOptions((str(tmp_path / "photos"),))
    [row] = read_rows(tmp_path / "labels", options=options)
    assert "x/a.jpg or" in str(row.image_error)


def test_labels_in_a_folder_of_another_name_belong_to_the_images(tmp_path: Path) -> None:
    write_images(tmp_path, "pics/a.jpg", "pics/b.jpg")
    write_file(tmp_path / "ann" / "a.txt", LINE)
    write_file(tmp_path / "readme.txt", "about these images")
    source = read_source(str(tmp_path))
    assert source.format == SourceFormat.yolo
    [row] = source.rows
    assert row.id == "pics/a.jpg#1"


def test_images_that_are_not_needed_are_a_note(tmp_path: Path) -> None:
    write_images(tmp_path / "set", "a.jpg")
    write_file(tmp_path / "set" / "a.txt", LINE)
    source = read_source(str(tmp_path / "set"), options=ReadOptions((str(tmp_path),)))
    assert len(list(source.rows)) == 1
    assert any("--images is not used" in note for note in source.notes)


def test_class_files_of_several_splits(tmp_path: Path) -> None:
    for split in ("train", "valid"):
        write_images(tmp_path, f"{split}/a.jpg")
        write_file(tmp_path / split / "a.txt", LINE)
        write_file(tmp_path / split / "_darknet.labels", "bolt\nnut\n")
    assert [row.extra["label"] for row in read_rows(tmp_path)] == ["bolt", "bolt"]
    write_file(tmp_path / "valid" / "_darknet.labels", "nut\nbolt\n")
    source = read_source(str(tmp_path))
    assert any("different class names" in note for note in source.notes)


def test_the_encoding_of_class_names_is_named(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg")
    write_file(tmp_path / "a.txt", LINE)
    for name, text in (("classes.txt", "螺栓\n"), ("data.yaml", "names: [螺栓]\n")):
        write_file(tmp_path / name, text.encode("gbk"))
        assert "--encoding" in read_error(tmp_path)
        [row] = read_rows(tmp_path, options=ReadOptions(encoding="gbk"))
        assert row.extra["label"] == "螺栓"
        (tmp_path / name).unlink()
