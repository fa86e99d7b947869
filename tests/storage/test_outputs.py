"""What an output may replace: never an input, never a file of another kind."""

import os
from pathlib import Path
from typing import Any

import pytest

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.storage.outputs import (
    OutputKind,
    check_distinct,
    check_not_input,
    check_output,
    check_writable,
    is_page_of,
    page_mark,
)

RECORD = b'{"schema": 1, "id": "a", "key": "b"}\n'
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


def test_a_path_in_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no folder"):
        check_writable(str(tmp_path / "gone" / "out"))


def test_a_check_leaves_no_trace(tmp_path: Path) -> None:
    before = tmp_path.stat().st_mtime_ns
    check_writable(str(tmp_path / "out"))
    assert tmp_path.stat().st_mtime_ns == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", OutputKind)
def test_an_existing_file_needs_force(tmp_path: Path, kind: OutputKind) -> None:
    path = tmp_path / "out"
    path.write_text("notes, caf\xe9", "latin-1")
    with pytest.raises(InputError, match="already exists: --force"):
        check_output(str(path), kind, force=False)
    check_output(str(path), kind, force=True)


@pytest.mark.parametrize("kind", [OutputKind.page, OutputKind.answers, OutputKind.text])
@pytest.mark.parametrize("content", [PNG, b"PK\x03\x04\x14\0", b"\xff\xd8\xff\xe0\0\x10JFIF\0"])
def test_text_never_replaces_binary_data(tmp_path: Path, kind: OutputKind, content: bytes) -> None:
    path = tmp_path / "out"
    path.write_bytes(content)
    for force in (False, True):
        with pytest.raises(InputError, match="even --force does not replace"):
            check_output(str(path), kind, force=force)


@pytest.mark.parametrize("kind", [each for each in OutputKind if each is not OutputKind.answers])
def test_only_answers_replace_records(tmp_path: Path, kind: OutputKind) -> None:
    path = tmp_path / "out"
    path.write_bytes(RECORD)
    with pytest.raises(InputError, match="holds answers"):
        check_output(str(path), kind, force=True)
    check_output(str(path), OutputKind.answers, force=True)


def test_a_table_replaces_a_table(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"PAR1\0\0")
    check_output(str(path), OutputKind.parquet, force=True)
    path.write_bytes(PNG)
    with pytest.raises(InputError, match="another kind"):
        check_output(str(path), OutputKind.parquet, force=True)


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_an_input_is_recognized_through_another_name(tmp_path: Path, link: Any) -> None:
    path, twin = tmp_path / "in", tmp_path / "twin"
    path.touch()
    link(path, twin)
    with pytest.raises(InputError, match="would lose it"):
        check_not_input([str(path), "-"], str(twin))
    check_not_input([str(path), "-", "", "https://a.b/c.png"], str(tmp_path / "out"))


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_two_outputs_are_two_files(tmp_path: Path, link: Any) -> None:
    path, twin = tmp_path / "one", tmp_path / "two"
    path.touch()
    link(path, twin)
    with pytest.raises(UsageError, match="also another output"):
        check_distinct([path, twin])
    with pytest.raises(UsageError, match="also another output"):
        check_distinct([tmp_path / "new", tmp_path / "." / "new"])
    check_distinct([path, tmp_path / "new"])


def test_a_page_names_its_records(tmp_path: Path) -> None:
    page, records = tmp_path / "page.html", tmp_path / "a \udcff<b>.jsonl"
    assert not is_page_of(page, records)
    page.write_text(page_mark(page, records))
    assert is_page_of(page, records)
    assert not is_page_of(page, tmp_path / "b.jsonl")
    assert not is_page_of(page, Path("-"))
