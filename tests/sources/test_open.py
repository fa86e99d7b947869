"""The table of readers, and sources that do not fit their format."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.sources import (
    read_error,
    read_ids,
    write_coco,
    write_file,
    write_images,
    write_labelme,
    write_voc,
    write_yolo,
)
from vipllava_cli.errors import UsageError
from vipllava_cli.sources.formats import SourceFormat
from vipllava_cli.sources.open import READERS, read_source, read_sources


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


def read_rows(*names: Path | str, **options: Any) -> dict[str, str]:
    """Read the images of several sources by row id."""
    source = read_sources(list(map(str, names)), **options)
    rows = {row.id: row.image for row in source.rows}
    assert source.is_rereadable
    assert source.total == len(rows) == len(list(source.rows)), "the rows can be read again"
    return rows


def test_several_sources_are_read_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_images(Path("one"), "a.jpg", "b.jpg")
    write_images(Path("two"), "a.jpg")
    manifest = write_file(Path("rows.jsonl"), '{"image": "one/a.jpg", "id": "m"}\n')
    address = "https://example.org/x"
    assert read_rows("two/a.jpg", "one/", manifest, "./one/b.jpg", "two", address) == {
        "two/a.jpg": "two/a.jpg",
        "one/a.jpg": "one/a.jpg",
        "one/b.jpg": "one/b.jpg",
        "m": "one/a.jpg",
        address: address,
    }
    assert read_rows("one") == {"a.jpg": "one/a.jpg", "b.jpg": "one/b.jpg"}
    assert read_rows("./one/a.jpg") == {"one/a.jpg": "./one/a.jpg"}


def test_the_notes_of_several_folders_name_the_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_images(tmp_path / name, "a.jpg")
        write_file(tmp_path / name / "notes.txt", "")
    notes = read_sources([str(tmp_path / "one"), str(tmp_path / "two")]).notes
    assert notes == tuple(
        f"{tmp_path / name}: skipped 1 file that is not an image" for name in ("one", "two")
    )


def test_an_unknown_total_of_a_part_is_unknown_in_all(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg")
    source = read_sources([str(tmp_path), "-"])
    assert source.total is None
    assert not source.is_rereadable


def test_labels_of_an_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--label selects regions"):
        read_sources([str(tmp_path / "a.jpg")], labels=("dog",))


def write_manifest(name: str, content: str) -> Callable[[Path], Path]:
    return lambda folder: write_file(folder / name, content)


@pytest.mark.parametrize(
    "write",
    [
        write_coco,
        write_labelme,
        write_voc,
        write_yolo,
        write_manifest("rows.jsonl", '{"image": "a.jpg"}\n{"image": "b.jpg"}\n'),
        write_manifest("rows.json", '[{"image": "a.jpg"}, {"image": "b.jpg"}]'),
        write_manifest("rows.csv", "image\na.jpg\nb.jpg\n"),
        write_manifest("rows.tsv", "image\tx\na.jpg\t1\nb.jpg\t2\n"),
    ],
)
def test_the_rows_of_every_file_can_be_read_again(
    tmp_path: Path, write: Callable[[Path], Path]
) -> None:
    source = read_source(str(write(tmp_path)))
    assert source.is_rereadable
    rows = [(row.id, row.image) for row in source.rows]
    assert len(rows) > 1
    assert [(row.id, row.image) for row in source.rows] == rows
