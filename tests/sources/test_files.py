"""Paths in the files of a source."""

from pathlib import Path

import pytest

from vipllava_cli.sources.files import resolve_path


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
