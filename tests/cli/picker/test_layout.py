"""Where the image is in the window, and the pixels under the mouse."""

import pytest

from vipllava_cli.cli.picker.help_strip import Help
from vipllava_cli.cli.picker.keys import ONE_IMAGE_HELP, SERIES_HELP
from vipllava_cli.cli.picker.layout import ENLARGED_SIDE, MARGIN, Layout, lay_out, window_size

SCREENS = [(776, 504), (1600, 984), (300, 200)]
IMAGES = [(4000, 3000), (200, 100), (24, 18), (1, 1), (10000, 20), (15, 6000), (1000, 1000)]
HELP = Help("", ONE_IMAGE_HELP)


def layouts() -> list[Layout]:
    return [lay_out(image, room, HELP.height(room[0])) for image in IMAGES for room in SCREENS]


@pytest.mark.parametrize("layout", layouts(), ids=str)
def test_the_image_is_complete_in_the_window_above_the_help(layout: Layout) -> None:
    width, height = layout.window
    assert layout.left >= MARGIN - 1
    assert layout.left + layout.shown[0] <= width - MARGIN + 1
    assert layout.top >= min(MARGIN, height) - 1
    help_height = HELP.height(width)
    room = height - help_height
    assert layout.top + layout.shown[1] <= max(room - MARGIN + 1, 1 + MARGIN)


@pytest.mark.parametrize("layout", layouts(), ids=str)
def test_coordinates_survive_the_way_through_the_window(layout: Layout) -> None:
    """If the image is enlarged, every coordinate of it; if it is shrunk, every pixel of the window."""
    for axis in (0, 1):
        side, shown = layout.image[axis], layout.shown[axis]
        start = (layout.left, layout.top)[axis]
        if shown >= side:
            for coordinate in range(side + 1):
                at = start + coordinate * shown / side
                assert layout.to_image(at, at)[axis] == coordinate
        else:
            for pixel in range(start, start + shown + 1):
                value = layout.to_image(pixel, pixel)[axis]
                assert abs(start + value * shown / side - pixel) <= 0.5


@pytest.mark.parametrize("layout", layouts(), ids=str)
def test_the_mouse_reaches_every_edge_of_the_image(layout: Layout) -> None:
    right, bottom = layout.left + layout.shown[0], layout.top + layout.shown[1]
    assert layout.to_image(layout.left, layout.top) == (0, 0)
    assert layout.to_image(right, bottom) == layout.image


def test_at_its_own_size_a_pixel_is_a_pixel() -> None:
    layout = lay_out((1000, 700), (1200, 900), 82)
    assert layout.shown == (1000, 700)
    assert layout.to_image(layout.left + 123, layout.top + 45) == (123, 45)


def test_small_images_are_enlarged_and_large_ones_shrunk() -> None:
    assert lay_out((200, 100), (1600, 984), 82).shown == (ENLARGED_SIDE, ENLARGED_SIDE // 2)
    assert lay_out((900, 600), (1600, 984), 82).shown == (900, 600)
    assert lay_out((4000, 3000), (1600, 984), 82).shown == (1181, 886)


@pytest.mark.parametrize("keys", [ONE_IMAGE_HELP, SERIES_HELP])
@pytest.mark.parametrize("room", SCREENS, ids=str)
@pytest.mark.parametrize("image", IMAGES, ids=str)
def test_the_window_never_exceeds_its_room(
    image: tuple[int, int], room: tuple[int, int], keys: tuple[tuple[str, str], ...]
) -> None:
    help = Help("3 of 12: a.jpg", keys)
    width, height = window_size(lay_out(image, room, help.height(room[0])), help.height)
    assert width <= room[0]
    assert height <= room[1]
