"""Writing images."""

import os
import random
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


@pytest.mark.parametrize(("suffix", "side"), [("jpg", 65_500), ("webp", 16_383)])
def test_an_image_too_large_for_its_format_is_one_line_and_leaves_no_file(
    suffix: str, side: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / f"out.{suffix}")
    with pytest.raises(InputError, match=rf"{side + 1}x1 pixels.* at most {side} .*\.png"):
        save_image(Image.new("RGB", (side + 1, 1)), path, force=False)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr().err == ""  # libjpeg has a line of its own
    save_image(Image.new("RGB", (side, 1)), path, force=False)


def test_different_ids_have_different_safe_paths(tmp_path: Path) -> None:
    names = [os.fsdecode(b"caf\xe8"), os.fsdecode(b"caf\xe9"), "é:q1"]
    ids = ["a", "a/b", "a_b", "../a", ".a", "a\0b", "x" * 300, "x" * 301, "\ud800", *names]
    paths = [marked_image_path(tmp_path, id) for id in ids]
    assert paths[0] == tmp_path / "a.png"
    assert len(set(paths)) == len(ids)
    assert all(path.parent == tmp_path and path.name[0] != "." for path in paths)
    for path in paths:
        path.touch()


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize(("colors", "size", "is_kept"), [
    (b"RGB ", 3000, True),
    (b"RGB ", 2_000_000, False),  # Pillow opens no such PNG
    (b"CMYK", 3000, False),  # the values that are written are RGB
])  # fmt: skip
def test_only_a_fit_profile_is_written(
    tmp_path: Path, suffix: str, colors: bytes, size: int, is_kept: bool
) -> None:
    profile = bytes(16) + colors + random.Random(1).randbytes(size)
    image = Image.new("RGB", (8, 6), "red")
    image.info["icc_profile"] = profile
    save_image(image, str(tmp_path / f"out.{suffix}"), force=False)
    with Image.open(tmp_path / f"out.{suffix}") as written:
        assert written.info.get("icc_profile") == (profile if is_kept else None)
