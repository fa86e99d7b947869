"""Mask images as outlines."""

from pathlib import Path

import numpy as np
from PIL import Image

from vipllava_cli.marks.coordinates import resolve_coordinates
from vipllava_cli.marks.draw import coverage
from vipllava_cli.marks.masks import load_mask_outlines
from vipllava_cli.marks.parse import parse_mark


def test_a_transparent_mask_image_is_dark_outside_the_object(tmp_path: Path) -> None:
    mask = Image.new("RGBA", (200, 100), (0, 0, 0, 0))
    mask.paste((255, 255, 255, 255), (40, 20, 120, 80))
    mask.save(tmp_path / "mask.png")
    spec = parse_mark("mask", str(tmp_path / "mask.png"))
    mark = resolve_coordinates(load_mask_outlines([spec], (200, 100)), 200, 100).marks[0]
    assert mark.bounds == (40.5, 20.5, 119.5, 79.5)


def test_a_mask_image_keeps_its_holes_and_separate_parts(tmp_path: Path) -> None:
    mask = np.zeros((100, 200), np.uint8)
    mask[20:80, 40:120] = 255
    mask[40:60, 60:100] = 0
    mask[10:15, 150:180] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    spec = parse_mark("mask", str(tmp_path / "mask.png"))
    mark = resolve_coordinates(load_mask_outlines([spec], (200, 100)), 200, 100).marks[0]
    covered = coverage(mark, 200, 100) > 127
    agreement = (covered == (mask > 127)).mean()
    assert agreement > 0.98
    assert not covered[50, 80]
    assert covered[12, 165]
