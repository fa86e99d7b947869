"""Labels beside marks: in their colours, inside the image, in every script."""

import numpy as np
import pytest
from PIL import Image

from vipllava_cli.marks.colors import NAMED_COLORS, parse_color
from vipllava_cli.marks.labels import MAX_LABELS, draw_labels
from vipllava_cli.marks.types import Mark

GREY = (90, 90, 90)


def mark(label: str | None, left: int = 100, top: int = 100, color: str = "lime") -> Mark:
    corners = ((left, top), (left + 60, top + 50))
    return Mark("box", (corners,), parse_color(color), label=label)


def labelled(*marks: Mark, size: tuple[int, int] = (336, 336)) -> np.ndarray:
    image = Image.new("RGB", size, GREY)
    draw_labels(image, marks)
    return np.array(image)


def changed(pixels: np.ndarray) -> tuple[int, int, int, int]:
    """Return the left, top, right and bottom of what is drawn."""
    ys, xs = np.nonzero((pixels != GREY).any(axis=2))
    return xs.min(), ys.min(), xs.max() + 1, ys.max() + 1


def test_a_label_is_on_a_plate_beside_its_mark() -> None:
    pixels = labelled(mark("cat"))
    left, top, right, bottom = changed(pixels)
    assert left == 100
    assert bottom in (100, 101)
    assert (right - left, bottom - top) > (20, 12)
    plate = pixels[top:bottom, left:right].reshape(-1, 3)
    assert (plate == (0, 255, 0)).all(axis=1).mean() > 0.4
    assert (plate.sum(axis=1) < 60).any()  # black letters


def test_letters_differ_from_a_dark_plate() -> None:
    left, top, right, bottom = changed(pixels := labelled(mark("cat", color="blue")))
    assert (pixels[top:bottom, left:right].sum(axis=2) > 700).any()


@pytest.mark.parametrize("label", ["é", "猫", "Ж", "ω", "한"])
def test_letters_of_every_script_are_drawn(label: str) -> None:
    assert not np.array_equal(labelled(mark(label)), labelled(mark("\ue000")))


@pytest.mark.parametrize("label", [None, "", " ", "\x1b", "\ud800"])
def test_nothing_is_drawn_for_no_label(label: str | None) -> None:
    assert (labelled(mark(label)) == GREY).all()


def test_a_long_label_is_shortened_and_stays_inside() -> None:
    pixels = labelled(mark("a very long label that no image has room for", left=270, top=0))
    assert np.array_equal(pixels, labelled(mark("a very long label that no sky", left=270, top=0)))
    left, _, right, _ = changed(pixels)
    assert 0 <= left < right <= 336


def test_labels_do_not_cover_each_other() -> None:
    found = [
        mark(f"label {n}", 30 + n, 40 + n, str(color)) for n, color in enumerate(NAMED_COLORS[:9])
    ]
    pixels = labelled(*found)
    areas = [int((pixels == color.rgb).all(axis=2).sum()) for color in NAMED_COLORS[:9]]
    assert min(areas) > 0.7 * max(areas)


def test_an_image_without_room_has_fewer_labels() -> None:
    assert (labelled(mark("a cat"), size=(12, 12)) == GREY).all()
    many = [mark("cat", n % 300, n // 2 % 300) for n in range(3 * MAX_LABELS)]
    assert (labelled(*many) != GREY).any()
