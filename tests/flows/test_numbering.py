"""Numbers that are drawn because the marks look alike."""

from pathlib import Path

import pytest
from PIL import Image

from vipllava_cli.flows.numbering import with_numbers
from vipllava_cli.marks.colors import NAMED_COLORS
from vipllava_cli.marks.marked_image import MarkedImage, open_image
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.resolve import resolve_marks


def mark(tmp_path: Path, *texts: str, size: tuple[int, int] = (200, 100)) -> MarkedImage:
    Image.new("RGB", size).save(tmp_path / "a.png")
    specs = [parse_mark("box", text) for text in texts]
    marks = resolve_marks(specs, size).marks
    return MarkedImage(open_image(str(tmp_path / "a.png")), marks)


@pytest.mark.parametrize(
    ("question", "numbers"), [("what is {2}?", True), ("what is in the red boxes?", False)]
)
def test_two_red_boxes_get_numbers_for_a_placeholder(
    question: str, numbers: bool, tmp_path: Path
) -> None:
    marked, notes = with_numbers(mark(tmp_path, "red:1,1,50,50", "red:60,1,90,50"), [question])
    assert marked.numbers == numbers
    expected = (
        "marks 1 and 2 are both a red box: drew numbers beside the marks, which tell them apart"
    )
    assert notes == ((expected,) if numbers else ())


@pytest.mark.parametrize("names", [("grey", "gray"), ("darkgreen", "dark-green", "#006400")])
def test_names_of_one_colour_are_alike(names: tuple[str, ...], tmp_path: Path) -> None:
    marked = mark(tmp_path, *(f"{name}:1,1,50,50" for name in names))
    assert with_numbers(marked, ["what is {1}?"])[0].numbers


def test_more_marks_than_colours_get_numbers(tmp_path: Path) -> None:
    count = len(NAMED_COLORS)
    assert not with_numbers(mark(tmp_path, *["1,1,50,50"] * count))[0].numbers
    marked, [note] = with_numbers(mark(tmp_path, *["1,1,50,50"] * (count + 1)))
    assert marked.numbers
    assert note.startswith(f"marks 1 and {count + 1} are both a red box")


def test_numbers_without_room_are_counted(tmp_path: Path) -> None:
    marked = mark(tmp_path, *["1,1,9,9"] * 30, size=(12, 12))
    marked, notes = with_numbers(marked)
    assert notes[-1] == "only 1 of 30 numbers have room on the 12x12 image"
