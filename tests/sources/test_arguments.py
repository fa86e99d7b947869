"""Source arguments as people type them: `~`, `file://`, patterns, typos."""

import os
from pathlib import Path

import pytest

from vipllava_cli.errors import InputError, UsageError
from vipllava_cli.sources.arguments import parse_arguments


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which is also the home folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("photos/2.png", "photos/10.png", "photos/1.JPG", "photos/notes.txt"):
        touch(name)
    return tmp_path


def touch(name: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "argument",
    ["~/photos", "{folder}/photos", "file://{folder}/photos", "FILE://localhost{folder}/photos"],
)
def test_every_way_to_name_a_folder(folder: Path, argument: str) -> None:
    names, notes = parse_arguments([argument.format(folder=folder)])
    assert names == (f"{folder}/photos",)
    assert notes == ()


def test_a_file_address_may_have_encoded_characters(folder: Path) -> None:
    touch("my photos/ä.png")
    address = (folder / "my photos" / "ä.png").as_uri()
    assert "%20" in address
    assert parse_arguments([address]).names == (f"{folder}/my photos/ä.png",)


def test_a_file_of_another_machine_is_refused() -> None:
    with pytest.raises(InputError, match="another machine, nas"):
        parse_arguments(["file://nas/photos"])


def test_names_of_existing_files_are_no_patterns_and_no_home() -> None:
    for name in ("~odd/a.png", "what?/[1].png"):
        touch(name)
        assert parse_arguments([name]).names == (name,)


def test_addresses_and_standard_input_stay_as_they_are() -> None:
    arguments = ("https://example.org/a.png?size=[1]*", "-")
    assert parse_arguments(arguments).names == arguments
    with pytest.raises(UsageError, match="only once"):
        parse_arguments(["-", "photos", "-"])


def test_a_pattern_gives_images_in_natural_order() -> None:
    names, notes = parse_arguments(["photos/*"])
    assert names == ("photos/1.JPG", "photos/2.png", "photos/10.png")
    assert notes == ("photos/*: skipped 1 file that is not an image",)
    assert parse_arguments(["photos/?.*"]).names == ("photos/1.JPG", "photos/2.png")
    assert parse_arguments(["~/photos/[12].png"]).names[0].endswith("/photos/2.png")


def test_a_pattern_matches_folders_and_files_without_images_too() -> None:
    touch("photos/trip/3.png")
    assert parse_arguments(["photos/*"]).names[-1] == "photos/trip"
    assert "photos/trip" not in parse_arguments(["photos/**"]).names
    assert "photos/trip/3.png" in parse_arguments(["photos/**"]).names
    touch("parts/1.jsonl")
    touch("parts/2.csv")
    assert parse_arguments(["parts/*"]).names == ("parts/1.jsonl", "parts/2.csv")


def test_a_recursive_pattern_visits_each_folder_once(tmp_path: Path) -> None:
    touch("photos/trip/3.png")
    touch("elsewhere/4.png")
    for number in range(3):  # the paths through these links are 3 ** 40
        Path(f"photos/loop{number}").symlink_to(tmp_path / "photos")
    Path("photos/link").symlink_to(tmp_path / "elsewhere")
    below = ("photos/link/4.png", "photos/trip/3.png")
    images = ("photos/1.JPG", "photos/2.png", "photos/10.png", *below)
    assert parse_arguments(["photos/**"]).names == images
    assert parse_arguments(["photos/**/*"]).names == images
    assert parse_arguments(["photos/**/trip/**/*.png"]).names == ("photos/trip/3.png",)
    assert "photos/trip/3.png" in parse_arguments(["**/*.png"]).names
    assert parse_arguments([f"{tmp_path}/*/**/4.png"]).names == (
        f"{tmp_path}/elsewhere/4.png",
        f"{tmp_path}/photos/link/4.png",
    )


def test_a_repeated_name_counts_once() -> None:
    names, _ = parse_arguments(
        ["photos/10.png", "photos/*.png", "./photos/2.png", "photos", "photos/"]
    )
    assert names == ("photos/10.png", "photos/2.png", "photos")
    names, _ = parse_arguments(["photos/10.png", "photos/2.png", "./photos/10.png"])
    assert names == ("photos/10.png", "photos/2.png")


@pytest.mark.parametrize(
    ("argument", "advice"),
    [
        ("photo", "did you mean photos?"),
        ("Photos/", "did you mean photos?"),
        ("photos/1.JPEG", "did you mean photos/1.JPG?"),
        ("photos/3.png", "check the name of the source"),
        ("photos/20.png", "check the name of the source"),
        ("phot", "did you mean photos?"),
        ("zebra", "check the name of the source"),
        ("nowhere/1.png", "check the name of the source"),
        ("photos/*.webp", "check the name of the source"),
        ("what is it?", "give the question with --question 'what is it?'"),
        ("what is in the box", "give the question with --question 'what is in the box'"),
        ("", "check the name of the source"),
    ],
)
def test_a_name_that_does_not_exist_is_an_error_with_near_names_only(
    argument: str, advice: str
) -> None:
    with pytest.raises(InputError) as refused:
        parse_arguments(["photos", argument])
    assert str(refused.value).endswith(f": {advice}")


def test_a_large_folder_is_searched_only_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vipllava_cli.storage.similar_names.MAX_LISTED_FILES", 0)
    with pytest.raises(InputError, match="check the name"):
        parse_arguments(["photo"])
    assert os.path.isdir("photos")


def test_a_path_with_spaces_needs_quotes(folder: Path) -> None:
    touch("my blue cat.png")
    with pytest.raises(UsageError, match=r"my blue cat\.png is one path: put it in quotes"):
        parse_arguments(["photos", "my", "blue", "cat.png"])
    assert parse_arguments(["my blue cat.png"]).names == ("my blue cat.png",)
