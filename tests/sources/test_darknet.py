"""Darknet: `obj.data` as a source, and in folders."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.support.sources import read_rows, write_file, write_images
from vipllava_cli.sources.darknet import is_darknet
from vipllava_cli.sources.open import read_source

CASE = ROOT / "tests" / "fixtures" / "cases" / "58d-darknet"


@pytest.mark.parametrize("source", ["", "obj.data"])
def test_the_names_and_the_listed_images_are_found(tmp_path: Path, source: str) -> None:
    copy = Path(shutil.copytree(CASE, tmp_path / "case"))
    [row] = read_rows(copy / source)
    assert row.id == "obj_train_data/a.jpg#1"
    assert row.extra["label"] == "bolt"


def test_a_data_file_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """As Darknet's own tree has it: paths count from the folder of the program."""
    write_images(tmp_path, "data/obj/a.jpg", "data/obj/b.jpg")
    for image in "ab":
        write_file(tmp_path / "data" / "obj" / f"{image}.txt", "1 0.5 0.5 0.2 0.2\n")
    write_file(
        tmp_path / "data" / "train.txt", "data/obj/a.jpg\nC:\\darknet\\data\\obj\\gone.jpg\n"
    )
    write_file(tmp_path / "data" / "parts.names", "bolt\nnut\n")
    data = write_file(
        tmp_path / "data" / "parts.data",
        "# made by hand\nclasses= 2\ntrain  = data/train.txt\nvalid=data/test.txt\n"
        "names = data/parts.names\nbackup = backup/\n",
    )
    source = read_source(str(data))
    [row] = source.rows
    assert row.id == "obj/a.jpg#1", "only the listed images"
    notes = "\n".join(source.notes)
    assert "gone.jpg" in notes
    assert "valid = data/test.txt" in notes
    assert [row.extra["label"] for row in read_rows(tmp_path)] == ["nut", "nut"]


def test_missing_names_are_a_note(tmp_path: Path) -> None:
    copy = Path(shutil.copytree(CASE, tmp_path / "case"))
    (copy / "obj.names").unlink()
    source = read_source(str(copy / "obj.data"))
    assert any("class numbers" in note for note in source.notes)
    [row] = source.rows
    assert row.extra["label"] == "0"  # type: ignore[union-attr]


def test_other_files_of_entries_are_no_darknet(tmp_path: Path) -> None:
    for text in ("names = x\n", "train: a\nnames: b\n", "[net]\nnames = x\nclasses = 2\n", ""):
        assert not is_darknet(str(write_file(tmp_path / "x.data", text)))
