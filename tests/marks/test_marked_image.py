"""Images with marks, and the crop of `--zoom`."""

from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.marked_image import crop_around
from vipllava_cli.marks.parse import parse_mark


def test_zoom_keeps_every_mark_inside_its_crop() -> None:
    specs = [parse_mark("box", "0,0,10,10"), parse_mark("point", "60,40")]
    marks = resolve_coordinates(specs, 400, 300).marks
    left, top, right, bottom = crop_around(marks, (400, 300))
    assert (left, top) == (0, 0)
    assert 60 < right < 200
    assert 40 < bottom < 150
