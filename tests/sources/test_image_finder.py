"""Images named by other machines: spelling, folders, ambiguous names."""

import os
from pathlib import Path

import pytest

from tests.support.sources import write_images
from vipllava_cli.sources.image_finder import ImageFinder, folders_near


@pytest.mark.parametrize(
    "name",
    [
        "a b.jpg",
        "pics\\a b.jpg",
        "C:\\data\\pics\\a b.jpg",
        "/home/other/data/a b.jpg",
        "file:///home/other/a%20b.jpg",
        "a%20b.jpg",
        "../elsewhere/a b.jpg",
    ],
)
def test_a_name_of_another_machine_is_found_by_its_end(tmp_path: Path, name: str) -> None:
    write_images(tmp_path, "a b.jpg")
    found = ImageFinder().find([name], [str(tmp_path)])
    assert (found.path, found.error) == (str(tmp_path / "a b.jpg"), None)


def test_the_longest_end_decides(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg", "val/a.jpg")
    found = ImageFinder().find(["/other/val/a.jpg"], [str(tmp_path)])
    assert found.path == str(tmp_path / "val" / "a.jpg")


def test_images_of_another_folder_are_found_anywhere_below_it(tmp_path: Path) -> None:
    write_images(tmp_path, "x/deep/train/a.jpg", "x/deep/val/a.jpg", "x/deep/b.JPG")
    finder = ImageFinder([str(tmp_path / "x")])
    own = [str(tmp_path)]
    assert finder.find(["val/a.jpg"], own).path.endswith("deep/val/a.jpg")
    assert finder.find(["b.jpg"], own).path.endswith("deep/b.JPG")
    error = finder.find(["a.jpg"], own).error
    assert error
    assert "train/a.jpg" in str(error)
    assert "val/a.jpg" in str(error)


def test_the_same_name_in_two_given_folders_is_ambiguous(tmp_path: Path) -> None:
    write_images(tmp_path, "x/a.jpg", "y/a.jpg")
    folders = [str(tmp_path / "x"), str(tmp_path / "y")]
    assert "--images" in str(ImageFinder(folders).find(["a.jpg"], [str(tmp_path)]).error)
    assert ImageFinder([folders[0]]).find(["a.jpg"], folders[1:]).path.endswith("x/a.jpg")


def test_two_names_are_never_one_image(tmp_path: Path) -> None:
    write_images(tmp_path, "a.jpg")
    finder = ImageFinder()
    for _ in range(2):
        assert finder.find(["train/a.jpg"], [str(tmp_path)]).error is None
    assert "val/a.jpg" in str(finder.find(["val/a.jpg"], [str(tmp_path)]).error)
    assert finder.find(["train/a.jpg"], [str(tmp_path)]).error


def test_a_missing_image_lists_where_it_was_sought(tmp_path: Path) -> None:
    os.makedirs(tmp_path / "set" / "labels")
    os.makedirs(tmp_path / "set" / "images")
    found = ImageFinder().find(["no.jpg"], folders_near(str(tmp_path / "set" / "labels")))
    assert str(tmp_path / "set" / "images") in str(found.error)
    assert "--images DIR" in str(found.error)
    assert "\n" not in str(found.error)


def test_addresses_stay_as_they_are() -> None:
    for address in ("https://example.org/a.jpg", "data:image/png;base64,AAAA"):
        found = ImageFinder().find([address], ["."])
        assert (found.path, found.error) == (address, None)


@pytest.mark.parametrize("name", [" a.jpg ", "a.jpg\t", "./a.jpg", "x/../a.jpg", "C:\\p\\a.jpg"])
def test_spellings_of_a_name_are_found(tmp_path: Path, name: str) -> None:
    write_images(tmp_path, "a.jpg")
    assert ImageFinder().find([name], [str(tmp_path)]).path == str(tmp_path / "a.jpg")


def test_accents_may_be_characters_of_their_own(tmp_path: Path) -> None:
    write_images(tmp_path, "e\u0301.jpg")
    found = ImageFinder().find(["\u00e9.jpg"], [str(tmp_path)])
    assert found.error is None
