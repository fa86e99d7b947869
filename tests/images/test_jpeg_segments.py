"""JPEG: scans are those of the image, and not of what follows it."""

import pytest
from PIL import Image

from tests.support.hostile_images import progressive, segment
from tests.support.images import ORANGE, encode, has_center_color
from vipllava_cli.errors import InputError
from vipllava_cli.images.jpeg_segments import check_jpeg
from vipllava_cli.images.load import decode, read_header


@pytest.mark.parametrize("after", [b"\xff\xda" * 400_000, b"\xff\xda\0\x02" * 400_000])
def test_a_video_after_a_progressive_image_holds_no_scans(after: bytes) -> None:
    data = encode(Image.new("RGB", (3000, 2000), ORANGE), "JPEG", progressive=True) + after
    assert has_center_color(decode(data, "x"), ORANGE, 4)


@pytest.mark.parametrize("between", [b"", segment(0xFE, b"\xff\xd9"), segment(0xFE, b"")])
def test_scans_after_the_end_in_a_comment_count(between: bytes) -> None:
    data = progressive(5000)
    last = data.rfind(b"\xff\xda")
    scan = data[last:-2]
    with pytest.raises(InputError, match="scans of 6000x4000 pixels"):
        check_jpeg(data[:last] + (between + scan) * 5000 + b"\xff\xd9", "x")


@pytest.mark.parametrize(("bits", "message"), [
    (12, r"x is a JPEG of 12 bits, which is not read: expected 8 bits; save it as a 16-bit PNG"),
    (77, r"x is cut short or damaged"),
])  # fmt: skip
def test_an_image_of_12_bits_is_named_and_not_called_damaged(bits: int, message: str) -> None:
    data = bytearray(encode(Image.new("RGB", (40, 30)), "JPEG"))
    data[data.find(b"\xff\xc0") + 4] = bits
    for read in (decode, read_header):
        with pytest.raises(InputError, match=message):
            read(bytes(data), "x")
