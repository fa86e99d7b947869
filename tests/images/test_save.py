"""Writing images."""

from pathlib import Path

import pytest
from PIL import Image

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.images.save import marked_image_path, save_image


@pytest.mark.parametrize("suffix", ["png", "jpg", "JPEG", "webp", "bmp", "tif", "tiff"])
def test_the_suffix_decides_the_format(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{suffix}"
    save_image(Image.new("RGB", (8, 6), "red"), str(path), force=False)
    formats = {"jpg": "JPEG", "tif": "TIFF"}
    with Image.open(path) as written:
        assert written.format == formats.get(suffix, suffix.upper())
        assert written.size == (8, 6)


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no image suffix"):
        save_image(Image.new("RGB", (8, 6)), str(tmp_path / "out.xyz"), force=True)


def test_an_image_too_large_for_its_format_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        save_image(Image.new("RGB", (70_000, 1)), str(tmp_path / "out.jpg"), force=False)
    assert list(tmp_path.iterdir()) == []


def test_different_ids_have_different_safe_paths(tmp_path: Path) -> None:
    ids = ["a", "a/b", "a_b", "../a", ".a", "a\0b", "x" * 300, "x" * 301, "\ud800", "é:q1"]
    paths = [marked_image_path(tmp_path, id) for id in ids]
    assert paths[0] == tmp_path / "a.png"
    assert len(set(paths)) == len(ids)
    assert all(path.parent == tmp_path and path.name[0] != "." for path in paths)
    for path in paths:
        path.touch()
