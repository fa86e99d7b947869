"""Paths that lead into a ZIP archive."""

from pathlib import Path

import pytest

from tests.support.zips import pack
from vipllava_cli.errors import InputError
from vipllava_cli.storage.zip_archive import find_member, is_member, read_member


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    return pack(tmp_path / "x.zip", {"images/a.png": b"content"})


def test_a_path_is_split_at_the_archive(archive: Path) -> None:
    assert find_member(str(archive)) == (str(archive), "")
    assert find_member(f"{archive}/") == (str(archive), "")
    assert find_member(f"{archive}/images/./a.png") == (str(archive), "images/a.png")
    for other in ("", "-", str(archive.parent), str(archive.parent / "none" / "a"), "a\0b"):
        assert find_member(other) is None


def test_a_member_is_a_file_in_the_archive(archive: Path) -> None:
    assert is_member(f"{archive}/images/a.png")
    for other in (archive, archive / "images", archive / "images" / "b.png", archive.parent):
        assert not is_member(str(other))


def test_members_are_read_up_to_a_limit(archive: Path) -> None:
    path = f"{archive}/images/a.png"
    assert read_member(path, 7) == b"content"
    assert read_member(str(archive.parent / "a.png"), 7) is None
    with pytest.raises(InputError, match="larger than"):
        read_member(path, 6)
    with pytest.raises(InputError, match=r"contains no images/b\.png"):
        read_member(f"{archive}/images/b.png", 7)


def test_a_replaced_archive_is_read_again(archive: Path) -> None:
    path = f"{archive}/images/a.png"
    assert read_member(path, 99) == b"content"
    pack(archive, {"images/a.png": b"another content"})
    assert read_member(path, 99) == b"another content"
