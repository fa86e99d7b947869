"""The table of readers, and sources that do not fit their format."""

from pathlib import Path

import pytest

from tests.support.sources import read_error, read_ids, write_file, write_images, write_labelme
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import READERS, read_source


def test_every_format_has_a_reader() -> None:
    assert set(READERS) == set(SourceFormat) - {SourceFormat.auto}


@pytest.mark.parametrize("format", READERS)
def test_content_that_does_not_fit_the_format_is_a_one_line_error(
    tmp_path: Path, format: SourceFormat
) -> None:
    write_images(tmp_path / "images", "a.jpg")
    wrong = {
        "file": write_file(
            tmp_path / "wrong.json", '{\n "title": "x",\n "names": [],\n "tags": []\n}'
        ),
        "binary": write_file(tmp_path / "wrong.bin", b"\xff\xfe\x00\x01" * 100),
        "absent": tmp_path / "absent",
        **({} if format == "folder" else {"folder": tmp_path / "images"}),
    }
    for source in wrong.values():
        assert str(source) in read_error(source, format=format)


def test_a_note_names_the_detected_format_of_an_annotated_folder(tmp_path: Path) -> None:
    notes = read_source(str(write_labelme(tmp_path))).notes
    assert any("labelme" in note and "--format folder" in note for note in notes)
    assert read_ids(tmp_path, format=SourceFormat.folder) == ["a.jpg", "b.jpg"]
