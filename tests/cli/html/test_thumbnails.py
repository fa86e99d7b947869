"""Thumbnails: which images a page holds, how they look, and why one is missing."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from tests.support.images import animation, frame_grey
from tests.support.report_pages import (
    BOX,
    Row,
    blocks,
    decoded,
    failed,
    images,
    page_of,
    results,
    row,
)
from vipllava_cli.cli.html.page import FEW_IMAGES, LARGE_SIDE, SIDE


def test_each_image_with_its_marks_is_embedded_once(image: Path) -> None:
    blue = [BOX | {"color": "blue"}]
    looks: list[Row] = [
        {},
        {"marks": blue},
        {"marks": []},
        {"numbers": True},
        {"crop": [0, 0, 100, 90]},
    ]
    page = page_of(image.parent, [row(n, **looks[n % 5]) for n in range(40)])
    shown = images(page)
    assert len({each["src"] for each in shown}) == len(shown) == 5
    assert [(each["width"], each["height"]) for each in shown] == [(200, 100)] * 4 + [(100, 90)]
    numbers = [each["thumbnail"] for each in blocks(page)["data"]["rows"]]
    assert numbers == [0, 1, 2, 3, 4] * 8


def test_thumbnails_show_the_marks_and_are_small(tmp_path: Path) -> None:
    Image.new("RGB", (1000, 500), (128, 128, 128)).save(tmp_path / "wide.png")
    wide: Row = {"image": "wide.png", "width": 1000, "height": 500}
    box = {"shape": "box", "coords": [100, 50, 750, 450], "color": "red"}
    (shown,) = images(page_of(tmp_path, [row(**wide, marks=[box])]))
    assert (shown["width"], shown["height"]) == (LARGE_SIDE, LARGE_SIDE // 2)
    red, green, _ = decoded(shown).getpixel((48, 120))  # type: ignore[misc]
    assert red > green + 100
    others = [row(n, **wide, marks=[box | {"alpha": 1 - n / 200}]) for n in range(FEW_IMAGES + 1)]
    sizes = {decoded(each).size for each in images(page_of(tmp_path, others))}
    assert sizes == {(SIDE, SIDE // 2)}


def test_images_are_found_as_written_then_beside_the_records(
    image: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = image.parent / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    page = page_of(image.parent, [row(0), row(1, image=str(image))])
    assert all(shown["src"] for shown in images(page))
    Image.new("RGB", (200, 100), (0, 0, 200)).save(here / "grey.png")
    written_first = images(page_of(image.parent, [row(0, marks=[])]))[0]
    assert decoded(written_first).getpixel((5, 5))[2] > 150  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"image": ""}, "names no image"),
        ({"image": "-"}, "standard input"),
        ({"image": "clipboard:"}, "came from the clipboard and was not kept"),
        ({"image": "https://example.org/cat.png"}, "web address"),
        ({"image": "https://example.org/cat.gif#frame=2"}, "web address"),
        ({"image": "file://nas/cat.png"}, "another machine"),
        ({"image": "file:///\ud800.png"}, "there is no file"),
        ({"image": "grey.png#frame=2"}, "only one frame"),
        ({"image": "gone.png"}, "there is no file gone.png"),
        ({"image": "."}, "there is no file ."),
        ({"image": "pipe.png"}, "there is no file pipe.png"),
        ({"image": "nul\0.png"}, "there is no file"),
        ({"image": "\ud800.png"}, "there is no file"),
        ({"image": "words.png"}, "is not an image"),
        ({"image": "cut.png"}, "cut short or damaged"),
        (
            {"width": 640, "height": 480},
            "the image has changed: it was 640x480 pixels and is 200x100",
        ),
        ({"crop": [0, 0, 999_999_999, 999_999_999]}, "crop"),
        ({"crop": ["a"]}, "crop"),
        ({"marks": [BOX | {"coords": [300, 300, 400, 400]}]}, "outside the image"),
        ({"marks": [BOX | {"shape": "star"}]}, "shape is one of"),
        ({"marks": [{"shape": "mask", "file": "/dev/zero"}]}, "the mask names a file"),
        ({"marks": ["box"]}, "a mark is an object"),
    ],
)
def test_a_placeholder_explains_an_unusable_image(
    image: Path, changes: Row, why: str, run: Run
) -> None:
    folder = image.parent
    os.mkfifo(folder / "pipe.png")
    (folder / "words.png").write_text("words")
    (folder / "cut.png").write_bytes(image.read_bytes()[:60])
    source = results(folder, [row(0), row(1, **changes), row(2, **changes)])
    ended = run("report", source)
    assert ended.code == 0
    assert "1 image cannot be shown" in ended.stderr
    first, second = images(source.with_suffix(".html"))
    assert (bool(first["src"]), second["src"]) == (True, "")
    assert why in second["why"]
    assert "\n" not in second["why"]


def test_a_thumbnail_shows_the_frame_of_the_record(tmp_path: Path) -> None:
    (tmp_path / "moving.gif").write_bytes(animation())
    size: Row = {"width": 40, "height": 20, "marks": []}
    frames = [row(n, image=f"moving.gif#frame={n}", **size) for n in (1, 2, 3)]
    page = page_of(tmp_path, [row(0, image="moving.gif", **size), *frames])
    greys = [decoded(shown).convert("L").getpixel((20, 10)) for shown in images(page)]
    assert greys == pytest.approx([frame_grey(index) for index in (0, 0, 1, 2)], abs=4)


def test_a_failed_row_shows_its_image(image: Path) -> None:
    page = page_of(image.parent, [failed(marks=[{"shape": "point", "coords": [10, 10]}])])
    assert images(page)[0]["src"]
    assert blocks(page)["data"]["rows"][0]["marks"] == [
        {"words": "point", "color": "", "label": ""}
    ]


def test_regions_of_an_answer_are_a_part_of_the_image(image: Path) -> None:
    found = [BOX | {"coords": [100, 20, 180, 80], "color": "lime", "label": "cat"}]
    rows = [
        row(0),
        row(1, answer_marks=found),
        row(2, answer_marks=[{"shape": "box", "file": "a"}]),
    ]
    plain, drawn, damaged = images(page_of(image.parent, rows))
    assert decoded(plain).size == decoded(drawn).size
    assert plain["src"] != drawn["src"]
    red, green, blue = np.array(decoded(drawn).convert("RGB"))[70, 101].tolist()
    assert green > 200
    assert max(red, blue) < 100
    assert not damaged["src"]
    assert damaged["why"]
