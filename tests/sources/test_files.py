"""Paths in the files of a source."""

from pathlib import Path

import pytest

from tests.support.sources import write_file
from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.sources.files import resolve_path
from vipllava_cli.sources.open import read_source
from vipllava_cli.sources.read_options import ReadOptions


@pytest.mark.parametrize(
    ("folder", "path", "resolved"),
    [
        ("rows", "cat.png", "rows/cat.png"),
        ("rows", "cat.gif#frame=2", "rows/cat.gif#frame=2"),
        ("rows", "/photos/cat.png", "/photos/cat.png"),
        ("rows", "HTTPS://host/cat.png", "HTTPS://host/cat.png"),
        ("rows", "file:///photos/cat.png", "file:///photos/cat.png"),
        ("rows", "~/cat.png", "~/cat.png"),
        ("rows", "~cat.png", "rows/~cat.png"),
        ("", "-", "./-"),
        ("", "clipboard:", "./clipboard:"),
    ],
)
def test_a_path_is_relative_to_its_folder(folder: str, path: str, resolved: str) -> None:
    assert resolve_path(folder, path) == resolved


def test_a_folder_named_tilde_is_not_the_home_folder(tmp_path: Path) -> None:
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "cat.png").touch()
    assert resolve_path(str(tmp_path), "~/cat.png") == str(tmp_path / "~" / "cat.png")


@pytest.mark.parametrize("name", ["idna", "punycode", "undefined", "rot13"])
def test_an_encoding_that_is_not_for_texts_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="expected a name like gbk"):
        ReadOptions(encoding=name)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_text_of_another_encoding_is_one_line(tmp_path: Path, encoding: str) -> None:
    file = write_file(tmp_path / "rows.jsonl", {"image": "a.jpg", "question": "What is it?"})
    with pytest.raises(InputError, match=f"is not {encoding} text"):
        list(read_source(str(file), options=ReadOptions(encoding=encoding)).rows)
