"""Images with marks, and the crop of `--zoom`."""

from dataclasses import replace

import pytest
from PIL import Image

from vipllava_cli.marks import marked_image
from vipllava_cli.marks.colors import parse_color
from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.marked_image import crop_around, draw_answer_marks
from vipllava_cli.marks.parse import parse_mark
from vipllava_cli.marks.types import Mark


def test_zoom_keeps_every_mark_inside_its_crop() -> None:
    specs = [parse_mark("box", "0,0,10,10"), parse_mark("point", "60,40")]
    marks = resolve_coordinates(specs, 400, 300).marks
    left, top, right, bottom = crop_around(marks, (400, 300))
    assert (left, top) == (0, 0)
    assert 60 < right < 200
    assert 40 < bottom < 150


def test_boxes_of_an_answer_are_drawn_within_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(marked_image, "MAX_ANSWER_PIXELS", 1e6)
    image = Image.new("RGB", (400, 300))
    box = Mark("box", (((1, 1), (399, 299)),), parse_color("lime"))
    small = replace(box, parts=(((150, 100), (250, 200)),), color=parse_color("red"))
    late = replace(small, color=parse_color("blue"))
    drawn = draw_answer_marks(image, [small, *[box] * 5, late])
    assert drawn.getpixel((150, 150)) == (0, 0, 255)
    drawn = draw_answer_marks(image, [small, *[box] * 900, late])
    assert drawn.getpixel((150, 150)) == (255, 0, 0)
    assert image.getpixel((150, 150)) == (0, 0, 0)
