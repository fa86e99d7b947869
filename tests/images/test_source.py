"""Names of images: paths, addresses, `~`, `file://`, and the frame at their end."""

import os
from pathlib import Path

import pytest

from vipllava_cli.errors import InputError
from vipllava_cli.images.load import load_image
from vipllava_cli.images.source import (
    Source,
    absolute_name,
    display_name,
    parse_source,
    record_name,
)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("cat.gif", Source("cat.gif")),
        ("cat.gif#frame=3", Source("cat.gif", 3)),
        ("https://host/a.gif?x=1#frame=12", Source("https://host/a.gif?x=1", 12)),
        ("-#frame=2", Source("-", 2)),
        ("clipboard:", Source("clipboard:")),
        ("cat.gif#frame=", Source("cat.gif#frame=")),
        ("cat.gif#frame=2.gif", Source("cat.gif#frame=2.gif")),
        ("", Source("")),
    ],
)
def test_the_end_of_a_name_chooses_a_frame(name: str, source: Source) -> None:
    assert parse_source(name) == source


@pytest.mark.skipif(os.name == "nt", reason="these paths are POSIX's")
@pytest.mark.parametrize(
    "url",
    [
        "file:///pictures/a%20b%23c.png",
        "file://localhost/pictures/a%20b%23c.png",
        "FILE:/pictures/a%20b%23c.png",
    ],
)
def test_a_file_address_is_a_path(url: str) -> None:
    assert parse_source(url) == Source("/pictures/a b#c.png")
    assert parse_source(f"{url}#frame=2") == Source("/pictures/a b#c.png", 2)


def test_a_file_address_may_name_bytes_that_are_not_utf8() -> None:
    assert os.fsencode(parse_source("file:///%ff.png").location) == b"/\xff.png"


@pytest.mark.parametrize("name", ["file:///\ud800.png", "~\0/cat.png", "\0#frame=2", "file:///\0"])
def test_a_name_that_no_file_can_have_is_no_crash(name: str) -> None:
    with pytest.raises(InputError):
        load_image(name)


def test_a_file_of_another_machine_is_refused() -> None:
    with pytest.raises(InputError, match="a file of another machine, nas"):
        parse_source("file://nas/cat.png")


def test_a_tilde_is_the_home_folder_unless_a_file_has_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert parse_source("~/cat.png") == Source(str(tmp_path / "home/cat.png"))
    assert parse_source("~/cat.gif#frame=2") == Source(str(tmp_path / "home/cat.gif"), 2)
    (tmp_path / "~").mkdir()
    (tmp_path / "~" / "cat.png").touch()
    assert parse_source("~/cat.png") == Source("~/cat.png")


def test_a_file_whose_name_ends_like_a_frame_is_that_file(tmp_path: Path) -> None:
    name = str(tmp_path / "cat.gif#frame=3")
    assert parse_source(name).frame == 3
    Path(name).touch()
    assert parse_source(name) == Source(name)


def test_frames_count_from_one() -> None:
    with pytest.raises(InputError, match=r"cat\.gif#frame=0: frames count from 1"):
        parse_source("cat.gif#frame=0")


def test_a_record_names_every_frame_but_the_first() -> None:
    assert str(Source("cat.gif")) == str(Source("cat.gif", 1)) == "cat.gif"
    assert str(Source("cat.gif", 2)) == "cat.gif#frame=2"
    assert parse_source(str(Source("cat.gif", 2))) == Source("cat.gif", 2)


def test_an_absolute_name_keeps_the_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cat.gif").touch()
    assert absolute_name("cat.gif#frame=2") == f"{tmp_path / 'cat.gif'}#frame=2"
    assert absolute_name("clipboard:") == "clipboard:"
    assert absolute_name("https://host/cat.gif") == "https://host/cat.gif"


@pytest.mark.parametrize(
    ("name", "recorded"),
    [
        ("https://me:secret@host/a.png", "https://…@host/a.png"),
        ("https://host/a.png?size=3&page=2#frame=2", "https://host/a.png?size=3&page=2#frame=2"),
        (
            "https://s3/a.png?X-Amz-Credential=AKIA&X-Amz-Date=2026&X-Amz-Signature=0a1b",
            "https://s3/a.png?X-Amz-Credential=…&X-Amz-Date=2026&X-Amz-Signature=…",
        ),
        ("https://host/a.png?sv=2026&sig=a%2Fb#frame=2", "https://host/a.png?sv=2026&sig=…#frame=2"),
        ("https://host/a.png?access_token=t&x-api-key=k", "https://host/a.png?access_token=…&x-api-key=…"),
        ("folder/me:you@host?sig=1.png", "folder/me:you@host?sig=1.png"),
    ],
)  # fmt: skip
def test_records_hold_no_secret_of_an_address(name: str, recorded: str) -> None:
    assert record_name(name) == recorded
    assert record_name(recorded) == recorded


def test_a_message_cuts_a_long_address() -> None:
    assert len(display_name(f"https://host/a.png?q={'x' * 5000}")) < 100
    assert len(display_name(f"https://host/{'x' * 5000}.png")) == 200


def test_a_shortened_data_address_tells_images_apart_and_stays() -> None:
    one, other = (f"data:image/png;base64,{'A' * 5000}{end}" for end in "BC")
    assert len(record_name(one)) < 100
    assert record_name(one) != record_name(other)
    assert record_name(record_name(one)) == record_name(one)
    with pytest.raises(InputError, match="does not hold the image"):
        load_image(record_name(one))
