"""PNG: megabytes of text and of profile do not matter, and bombs in them stay packed."""

import resource
import sys
import zlib

import pytest
from PIL import Image

from tests.support.deep_images import chunk
from tests.support.images import ORANGE, encode, has_center_color
from vipllava_cli.images.load import decode, read_header, read_orientation

TEXT = b'{"workflow": "' + b"x" * 1_500_000 + b'"}'
PROFILE = bytes(range(256)) * 8192  # 2 MiB
BOMB = zlib.compress(bytes(400_000_000), 9)
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
    b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
    b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
)

CHUNKS = {
    "tEXt": (b"tEXt", b"workflow\0" + TEXT),
    "zTXt": (b"zTXt", b"workflow\0\0" + zlib.compress(TEXT)),
    "iTXt": (b"iTXt", b"workflow\0\0\0\0\0" + TEXT),
    "packed iTXt": (b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(TEXT)),
    "iCCP": (b"iCCP", b"profile\0\0" + zlib.compress(PROFILE)),
    "zTXt bomb": (b"zTXt", b"workflow\0\0" + BOMB),
    "iCCP bomb": (b"iCCP", b"profile\0\0" + BOMB),
    "XMP bomb": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    "EXIF bomb": (b"zTXt", b"Raw profile type exif\0\0" + BOMB),
    "damaged": (b"zTXt", b"Raw profile type exif\0\0" + b"no zlib"),
}


def png(*chunks: bytes, at_end: bool = False) -> bytes:
    data = encode(Image.new("RGB", (40, 20), ORANGE))
    place = len(data) - 12 if at_end else 33  # before IEND, or after IHDR
    return data[:place] + b"".join(chunks) + data[place:]


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("name", CHUNKS)
def test_large_text_and_profiles_do_not_matter(name: str, at_end: bool) -> None:
    data = png(chunk(*CHUNKS[name]), at_end=at_end)
    assert read_header(data, "x").size == (40, 20)
    assert has_center_color(decode(data, "x"), ORANGE, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems measure memory otherwise")
def test_bombs_stay_packed() -> None:
    bombs = [chunk(*CHUNKS[name]) for name in CHUNKS if "bomb" in name]
    many = [chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(900_000)))] * 200
    data = png(*bombs, *many)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert has_center_color(decode(data, "x"), ORANGE, 0)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


@pytest.mark.parametrize("packed", [False, True])
def test_the_orientation_in_text_still_counts(packed: bool) -> None:
    text = zlib.compress(XMP) if packed else XMP
    flag = b"\1" if packed else b"\0"
    metadata = chunk(b"iTXt", b"XML:com.adobe.xmp\0" + flag + b"\0\0\0" + text)
    data = png(chunk(*CHUNKS["tEXt"]), metadata)
    assert read_orientation(data, "x") == 6
    assert read_header(data, "x").size == (20, 40)
    assert decode(data, "x").size == (20, 40)


@pytest.mark.parametrize("after", [bytes(1_000_000), b"\0\0\0\0tEXt\0\0\0\0" * 20_000])
def test_what_follows_the_image_does_not_matter(after: bytes) -> None:
    data = encode(Image.new("RGB", (40, 20), ORANGE)) + after
    assert read_header(data, "x").size == (40, 20)
    assert has_center_color(decode(data, "x"), ORANGE, 0)
