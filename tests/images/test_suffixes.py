"""The program knows every suffix that Pillow has for its image formats."""

from PIL import Image

from vipllava_cli.images.opening import FORMATS
from vipllava_cli.images.suffixes import SUFFIXES


def test_are_those_of_pillow_and_of_heic() -> None:
    registered = Image.registered_extensions().items()
    known = {suffix for suffix, format in registered if format in FORMATS}
    assert set(SUFFIXES) == known | {".heic", ".heif", ".hif"}
    assert len(set(SUFFIXES)) == len(SUFFIXES)


def test_begin_with_the_usual_ones() -> None:
    assert SUFFIXES[0] == ".jpg"  # the first name that an image without a suffix may have
