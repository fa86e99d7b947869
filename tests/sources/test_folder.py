"""Image folders: order, skipped files, links."""

import os
import random
from pathlib import Path

from natsort import natsorted, ns

from tests.support.sources import read_error, read_ids, write_file, write_images
from vipllava_cli.sources.folder import list_folder
from vipllava_cli.sources.open import read_source


def test_a_folder_gives_its_images_in_natural_order(tmp_path: Path) -> None:
    names = ["10.jpg", "2.PNG", "1.webp", "b/10/x.gif", "b/9/x.bmp", "a.tif"]
    write_images(tmp_path, *names)
    source = read_source(str(tmp_path))
    assert source.total == len(names)
    rows = list(source.rows)
    assert [row.id for row in rows] == [
        "1.webp", "2.PNG", "10.jpg", "a.tif", "b/9/x.bmp", "b/10/x.gif"
    ]  # fmt: skip
    assert [row.image for row in rows] == [f"{tmp_path}/{row.id}" for row in rows]
    assert source.notes == ()


def test_numbered_images_have_the_order_of_natsort(tmp_path: Path) -> None:
    """Names with one number are sorted without natsort, which takes 20 ms to import."""
    rng = random.Random(1)
    for number in range(60):
        folder = tmp_path / str(number)
        folder.mkdir()
        start, end = ("".join(rng.choices("ab-_ Ze+", k=rng.randrange(4))) for _ in range(2))
        for _ in range(6):
            value = "0" * rng.randrange(3) + str(rng.randrange(10 ** rng.randrange(1, 5)))
            (folder / f"{start}{value}{end}.png").touch()
        names = sorted(os.listdir(folder))
        expected = natsorted(names, alg=ns.PATH | ns.IGNORECASE)
        assert list_folder(str(folder)).images == tuple(expected)


def test_one_note_counts_the_skipped_files(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg", ".hidden.jpg", ".folder/b.jpg", "b/._c.jpg", "b/c.jpg")
    for name in ("notes.txt", "clip.mp4", "b/drawing.svg"):
        write_file(tmp_path / name, "x")
    source = read_source(str(tmp_path))
    assert [row.id for row in source.rows] == ["a.jpg", "b/c.jpg"]
    assert source.notes == ("skipped 3 files that are not images and 3 hidden items",)


def test_cyclic_links_give_each_image_once(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    source = tmp_path / "source"
    write_images(outside, "far.jpg")
    write_images(source, "z/near.jpg")
    (source / "a").symlink_to(source / "z")
    (source / "z" / "round").symlink_to(source)
    (source / "out").symlink_to(outside)
    (outside / "back").symlink_to(source)
    (outside / "again").symlink_to(outside)
    assert read_ids(source) == ["out/far.jpg", "z/near.jpg"]


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    write_file(tmp_path / "notes.txt", "x")
    assert "no image" in read_error(tmp_path)
    assert "no file or folder" in read_error(tmp_path / "absent")
