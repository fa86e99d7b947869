"""Image files that attack: small programs for the bytes of each, by name."""

import base64
import gzip
import random
import struct
import zlib
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from tests.support.images import animation, encode

_MB = 1_000_000


def _rgb(width: int = 64, height: int = 48) -> Image.Image:
    pixels = np.random.default_rng(5).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(pixels).resize((width, height))


# --- JPEG ------------------------------------------------------------------------------------


def jpeg(**options: Any) -> bytes:
    return encode(_rgb(), "JPEG", **options)


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def with_segments(*parts: bytes) -> bytes:
    return jpeg()[:2] + b"".join(parts) + jpeg()[2:]


def exif_of_many_tags(size: int) -> bytes:
    """Return an EXIF block whose tags all claim the whole of it."""
    count = min((size - 14) // 12, 65535)
    tags = b"".join(struct.pack("<HHII", tag, 1, size, 0) for tag in range(count))
    block = b"II*\0" + struct.pack("<IH", 8, count) + tags
    return block.ljust(size, b"\0")


def jpeg_of_size(width: int, height: int, base: bytes | None = None) -> bytes:
    data = bytearray(base or jpeg())
    at = next(place for mark in (0xC0, 0xC2) if (place := data.find(bytes((0xFF, mark)))) > 0)
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def progressive(scans: int, width: int = 6000, height: int = 4000) -> bytes:
    """Return a progressive JPEG that repeats its last scan."""
    base = jpeg(progressive=True)
    last = base[base.rfind(b"\xff\xda") : -2]
    return jpeg_of_size(width, height, base[:-2] + last * scans + b"\xff\xd9")


def arithmetic() -> bytes:
    """Return a JPEG that says its pixels are coded arithmetically."""
    return jpeg().replace(b"\xff\xc0", b"\xff\xc9", 1)


JPEGS: Mapping[str, Callable[[], bytes]] = {
    "98 MB of EXIF segments": lambda: with_segments(
        segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 1500
    ),
    "40 MB of other segments": lambda: with_segments(segment(0xEC, bytes(65_000)) * 600),
    "2 million empty segments": lambda: with_segments(segment(0xFE, b"") * 2_000_000),
    "2 million comments": lambda: with_segments(segment(0xFE, b"a") * 2_000_000),
    "ICC of 30,000 segments": lambda: with_segments(
        segment(0xE2, b"ICC_PROFILE\0\1\xff" + bytes(900)) * 30_000
    ),
    "20 MB of junk between segments": lambda: jpeg()[:2] + bytes(20 * _MB) + jpeg()[2:],
    "20 MB of fill bytes": lambda: jpeg()[:2] + b"\xff" * (20 * _MB) + jpeg()[2:],
    "20 MB of stuffed bytes": lambda: jpeg()[:2] + b"\xff\0" * (10 * _MB) + jpeg()[2:],
    "20 MB of junk and no end": lambda: jpeg()[:2] + bytes(20 * _MB),
    "65500 x 65500 JPEG": lambda: jpeg_of_size(65500, 65500),
    "6000 x 6000 JPEG of 1 kB": lambda: jpeg_of_size(6000, 6000),
    "5000 scans": lambda: progressive(5000),
    "200,000 scans": lambda: progressive(200_000),
    "arithmetic JPEG": arithmetic,
    "JPEG without scan": lambda: jpeg()[: jpeg().find(b"\xff\xda")],
}

# --- PNG -------------------------------------------------------------------------------------

_PNG = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def png(
    width: int, height: int, rows: bytes, *parts: bytes, bits: int = 8, color: int = 0
) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, 0)
    return (
        _PNG + chunk(b"IHDR", head) + b"".join(parts) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


_BLOCK = 1 << 20


@cache
def _zero_block() -> bytes:
    """Return a deflate block of zeros that can be repeated."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    return packer.compress(bytes(_BLOCK)) + packer.flush(zlib.Z_FULL_FLUSH)


def zeros(count: int) -> bytes:
    """Return a zlib stream of so many zeros, in no time."""
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    rest = packer.compress(bytes(count % _BLOCK)) + packer.flush()
    checksum = struct.pack(">HH", count % 65521, 1)
    return b"\x78\xda" + _zero_block() * (count // _BLOCK) + rest + checksum


def small_png(*parts: bytes) -> bytes:
    return png(64, 48, zeros(65 * 48), *parts)


def endless_apng(frames: int, side: int) -> bytes:
    """Return an animation of one frame whose header announces `frames`."""
    control = struct.pack(">IIIIIHHBB", 0, side, side, 0, 0, 1, 1, 0, 0)
    return png(
        side, side, zeros((side + 1) * side),
        chunk(b"acTL", struct.pack(">II", frames, 0)), chunk(b"fcTL", control),
    )  # fmt: skip


PNGS: Mapping[str, Callable[[], bytes]] = {
    "2 million text chunks": lambda: small_png(chunk(b"tEXt", b"a\0b") * 2_000_000),
    "2 million orientation texts": lambda: small_png(
        chunk(b"tEXt", b"XML:com.adobe.xmp\0b") * 2_000_000
    ),
    "3 million empty IDAT": lambda: small_png(chunk(b"IDAT", b"") * 3_000_000),
    "1 million unknown chunks": lambda: small_png(chunk(b"prVt", b"") * 1_000_000),
    "60000 x 60000 of zeros": lambda: png(60000, 60000, zeros(200 * _MB)),
    "200000000 x 1000": lambda: png(200_000_000, 1000, b""),
    "0 x 0 PNG": lambda: png(0, 0, b""),
    "2 billion x 1": lambda: png(2**31 - 1, 1, b""),
    "14000 x 14000 of 16-bit RGBA zeros": lambda: png(
        14000, 14000, zeros(14000 * 112_001), bits=16, color=6
    ),
    "iCCP bomb": lambda: small_png(chunk(b"iCCP", b"p\0\0" + zeros(1000 * _MB))),
    "zTXt bomb": lambda: small_png(chunk(b"zTXt", b"Comment\0\0" + zeros(1000 * _MB))),
    "iTXt bomb": lambda: small_png(
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zeros(1000 * _MB))
    ),
    "Raw profile bomb": lambda: small_png(
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zeros(1000 * _MB))
    ),
    "eXIf of 16,000 tags": lambda: small_png(chunk(b"eXIf", exif_of_many_tags(200_000))),
    "APNG of 4 billion frames": lambda: endless_apng(2**31 - 1, 64),
    "IDAT with zeros for 2 GB": lambda: png(64, 48, zeros(2000 * _MB)),
    "chunk longer than the file": lambda: small_png()[:-12] + b"\x7f\xff\xff\xffIDAT",
    "PNG without pixels": lambda: png(64, 48, b""),
    "one row missing": lambda: png(64, 48, zeros(65 * 47)),
}

# --- PPM -------------------------------------------------------------------------------------

PPMS: Mapping[str, Callable[[], bytes]] = {
    "40 MB comment": lambda: b"P6\n#" + bytes(40 * _MB) + b"\n2 2\n255\n" + bytes(12),
    "40 MB of spaces": lambda: b"P6" + b" " * (40 * _MB) + b"2 2 255 " + bytes(12),
    "5000 x 3000, maxval 254": lambda: b"P6 5000 3000 254\n" + bytes(45 * _MB),
    "5000 x 3000, maxval 1": lambda: b"P5 5000 3000 1\n" + b"\1" * (15 * _MB),
    "plain 2000 x 1500": lambda: b"P3 2000 1500 255\n" + b"9 " * (9 * _MB),
    "plain bits 5000 x 3000": lambda: b"P1 5000 3000\n" + b"01" * (7_500_000),
    "plain, one endless number": lambda: b"P2 3000 3000 255\n" + b"9" * (20 * _MB),
    "plain 14000 x 14000, nothing there": lambda: b"P3 14000 14000 255\n1 2 3",
    "9999999 x 9999999": lambda: b"P6 9999999 9999999 255\n",
    "0 x 0": lambda: b"P6 0 0 255\n",
    "digits without end": lambda: b"P6 " + b"9" * (10 * _MB),
    "PFM of NaN": lambda: b"Pf 64 48 -1\n" + b"\0\0\xc0\x7f" * (64 * 48),
    "PFM with scale 1e999": lambda: b"Pf 64 48 1e999\n" + bytes(4 * 64 * 48),
}

# --- GIF -------------------------------------------------------------------------------------


def gif(*parts: bytes, side: int = 4) -> bytes:
    """Return a GIF of two colours, with these blocks before its frame."""
    head = (
        b"GIF89a" + struct.pack("<HHBBB", side, side, 0x80, 0, 0) + bytes((0, 0, 0, 255, 255, 255))
    )
    return head + b"".join(parts) + gif_frame(side) + b";"


def gif_frame(side: int = 4, left: int = 0) -> bytes:
    return b"," + struct.pack("<HHHHB", left, 0, side, side, 0) + b"\2\2\x4c\1\0"


def gif_comment(size: int) -> bytes:
    return b"!\xfe" + (b"\xff" + b"a" * 255) * (size // 255) + b"\0"


GIFS: Mapping[str, Callable[[], bytes]] = {
    "30 MB of comment": lambda: gif(gif_comment(10 * _MB)),
    "200,000 comments": lambda: gif(gif_comment(255) * 200_000),
    "1 million frames": lambda: gif(gif_frame() * 1_000_000),
    "frames of 1-byte blocks": lambda: gif(
        b"," + struct.pack("<HHHHB", 0, 0, 4, 4, 0) + b"\2" + b"\1a" * (10 * _MB) + b"\0"
    ),
    "65535 x 65535 GIF": lambda: gif(side=65535),
    "frame beyond its canvas": lambda: gif(gif_frame(65535, 65535)),
    "GIF of junk": lambda: gif(bytes(20 * _MB)),
    "GIF without end": lambda: gif(gif_frame())[:-3],
}

# --- TIFF ------------------------------------------------------------------------------------

_BASIC = {256: 64, 257: 48, 258: 8, 259: 1, 262: 1, 277: 1, 278: 48, 273: 8, 279: 64 * 48}


def tiff(
    tags: Mapping[int, int | tuple[int, int, int]] | None = None, *, following: int = 0
) -> bytes:
    """Return a grey TIFF of one page. A tag is a number, or a type, a count and a place."""
    pixels, page = bytes(64 * 48), {**_BASIC, **(tags or {})}
    entries = b"".join(
        struct.pack("<HHII", tag, *(value if isinstance(value, tuple) else (4, 1, value)))
        for tag, value in sorted(page.items())
    )
    place = 8 + len(pixels)
    directory = struct.pack("<H", len(page)) + entries + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", place) + pixels + directory


def tiff_chain(pages: int, *, endless: bool = False) -> bytes:
    """Return a TIFF of many pages of two tags, the last of which may lead to the first."""
    first, size = 8, 2 + 24 + 4
    parts = [b"II*\0" + struct.pack("<I", first)]
    for number in range(pages):
        following = first + size * (number + 1) if number + 1 < pages else endless * first
        parts.append(struct.pack("<HHHIIHHIII", 2, 256, 4, 1, 64, 257, 4, 1, 48, following))
    return b"".join(parts)


def tiff_of_overlapping_tags(size: int, kind: int) -> bytes:
    """Return a TIFF with 5,000 more tags, each of which claims the whole file."""
    unit = 1 if kind == 7 else 4
    data = tiff(dict.fromkeys(range(40000, 45000), (kind, size // unit, 0)))
    return data.ljust(size, b"\0")


def deflated_tiff(content: bytes) -> bytes:
    """Return a TIFF whose one strip is packed."""
    place = len(tiff())
    return tiff({259: 8, 273: place, 279: len(content)}) + content


TIFFS: Mapping[str, Callable[[], bytes]] = {
    "300,000 pages": lambda: tiff_chain(300_000),
    "loop of pages": lambda: tiff_chain(1000, endless=True),
    "page that follows itself": lambda: tiff(following=8 + 64 * 48),
    "1 strip claims 4 GB": lambda: tiff({279: 0xFFFFFFF0}),
    "one strip of 200,000,000 rows": lambda: tiff({257: 200_000_000, 278: 200_000_000}),
    "60000 x 60000 TIFF": lambda: tiff({256: 60000, 257: 60000}),
    "14000 x 14000 floats": lambda: tiff({256: 14000, 257: 14000, 258: 32, 339: 3}),
    "tiles of 65000 x 65000": lambda: tiff({322: 65000, 323: 65000, 324: 8, 325: 3072}),
    "tiles of 0 x 0": lambda: tiff({322: 0, 323: 0, 324: 8, 325: 3072}),
    "strips of 0 rows": lambda: tiff({278: 0, 258: 16}),
    "overlapping tags of bytes": lambda: tiff_of_overlapping_tags(10 * _MB, 7),
    "overlapping tags of numbers": lambda: tiff_of_overlapping_tags(10 * _MB, 4),
    "5 million strips": lambda: tiff({273: (4, 12_000_000, 8), 279: (4, 5_000_000, 8)}).ljust(
        20 * _MB, b"\0"
    ),
    "60,000 bands": lambda: tiff({277: 60_000, 258: 16}),
    "deflated bomb": lambda: deflated_tiff(zeros(2000 * _MB)),
}

# --- other formats ---------------------------------------------------------------------------


def bmp_rle(width: int, height: int, content: bytes) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(content), 0, 0, 2, 2)
    palette = bytes((0, 0, 0, 0, 255, 255, 255, 0))
    start = 14 + len(head) + len(palette)
    return (
        struct.pack("<2sIHHI", b"BM", start + len(content), 0, 0, start) + head + palette + content
    )


def ico_with(content: bytes) -> bytes:
    entry = struct.pack("<BBBBHHII", 0, 0, 0, 0, 1, 32, len(content), 22)
    return struct.pack("<HHH", 0, 1, 1) + entry + content


def icns_nest(depth: int) -> bytes:
    content = small_png()
    for _ in range(depth):
        block = b"ic08" + struct.pack(">I", len(content) + 8) + content
        content = b"icns" + struct.pack(">I", len(block) + 8) + block
    return content


def boxes(data: bytes, kind: bytes) -> bytes:
    """Return a media file whose sizes (`ispe`) are absurd."""
    at = data.find(kind) + 8
    return data[:at] + struct.pack(">II", 60000, 60000) + data[at + 8 :]


def many_boxes(start: bytes, count: int) -> bytes:
    return start + struct.pack(">I4s", 8, b"free") * count


OTHERS: Mapping[str, Callable[[], bytes]] = {
    "BMP of 5000 x 3000 empty rows": lambda: bmp_rle(5000, 3000, b"\0\0" * 3000 + b"\0\1"),
    "BMP of endless jumps": lambda: bmp_rle(9000, 9000, b"\0\2\0\0" * 100_000),
    "BMP of 60000 x 60000": lambda: bmp_rle(60000, 60000, b""),
    "BMP of 2 billion rows": lambda: bmp_rle(64, -(2**31) + 1, b"\0\1"),
    "icon with a PNG bomb": lambda: ico_with(png(60000, 60000, zeros(5 * _MB))),
    "icon of 65535 entries": lambda: struct.pack("<HHH", 0, 1, 65535) + bytes(16 * 65535),
    "nested icns": lambda: icns_nest(2000),
    "icns of 100,000 blocks": lambda: (
        b"icns" + struct.pack(">I", 4 * _MB) + b"abcd\0\0\0\x08" * 100_000
    ),
    "AVIF of 60000 x 60000": lambda: boxes(encode(_rgb(), "AVIF"), b"ispe"),
    "AVIF cut": lambda: encode(_rgb(), "AVIF")[:300],
    "AVIF of 200,000 boxes": lambda: many_boxes(encode(_rgb(), "AVIF")[:32], 200_000),
    "JPEG 2000 of 14000 x 14000": lambda: jpeg2000_of_size(14000, 14000),
    "JPEG 2000 of 60000 x 60000": lambda: jpeg2000_of_size(60000, 60000),
    "JPEG 2000 of 200,000 boxes": lambda: many_boxes(encode(_rgb(), "JPEG2000")[:32], 200_000),
    "QOI of 3000 x 3000 runs": lambda: (
        b"qoif" + struct.pack(">IIBB", 3000, 3000, 3, 0) + b"\xfd" * 4 * _MB
    ),
    "DDS of 60000 x 60000": lambda: dds_of_size(60000, 60000),
    "DDS of 14000 x 14000": lambda: dds_of_size(14000, 14000),
    "SGI of 65535 x 65535": lambda: struct.pack(">HBBHHHH", 474, 1, 1, 3, 65535, 65535, 3).ljust(
        600, b"\0"
    ),
    "PCX of 65535 x 65535": lambda: (
        b"\n\5\1\x08"
        + struct.pack("<HHHH", 0, 0, 65534, 65534)
        + bytes(53)
        + b"\1\0\0"
        + bytes(200)
    ),
    "TGA of 65535 x 65535": lambda: b"\0\0\x0a" + bytes(9) + b"\xff\xff\xff\xff\x18\0" + bytes(99),
    "WebP of 16383 x 16383": lambda: webp_of_size(16383, 16383),
    "WebP of 1 million chunks": lambda: many_chunks(1_000_000),
    "EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n(/tmp/pwned) (w) file\n",
    "EPS with a preview": lambda: b"\xc5\xd0\xd3\xc6" + bytes(28) + b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "SVG with entities": lambda: (
        b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY a "aaaa">]><svg>&a;</svg>'
    ),
    "PDF": lambda: b"%PDF-1.4\n1 0 obj\n",
    "PSD": lambda: b"8BPS\0\1" + bytes(6) + struct.pack(">HIIHH", 3, 30000, 30000, 8, 3),
    "FLI": lambda: struct.pack("<IHHHHHH", 128, 0xAF11, 65535, 64, 48, 8, 3).ljust(300, b"\0"),
    "IM": lambda: b"Image type: RGB image\r\nImage size (x*y): 9*9\r\n".ljust(600, b"\0"),
    "SPIDER": lambda: struct.pack("<27f", *[1.0] * 27).ljust(2000, b"\0"),
    "XPM": lambda: b"/* XPM */\nstatic char *a[] = {\n" + b'"9 9 1 1",\n' * 1000,
    "gzip": lambda: gzip.compress(bytes(1000)),
    "40 MB of NUL": lambda: bytes(40 * _MB),
    "40 MB of text": lambda: b"vipllava " * (4 * _MB),
    "40 MB of noise": lambda: random.Random(4).randbytes(_MB) * 40,
}


def jpeg2000_of_size(width: int, height: int) -> bytes:
    """Return a JPEG 2000 of this size whose one tile has its sizes, too."""
    data = bytearray(encode(_rgb(), "JPEG2000", no_jp2=True))
    at = data.find(b"\xff\x51") + 6
    data[at : at + 8] = struct.pack(">II", width, height)
    data[at + 16 : at + 24] = struct.pack(">II", width, height)
    return bytes(data)


def dds_of_size(width: int, height: int) -> bytes:
    data = bytearray(encode(_rgb(), "DDS"))
    data[12:20] = struct.pack("<II", height, width)
    return bytes(data)


def webp_of_size(width: int, height: int) -> bytes:
    """Return a WebP whose canvas has this size."""
    data = bytearray(animation("WEBP"))
    at = data.find(b"VP8X") + 12
    data[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(data)


def many_chunks(count: int) -> bytes:
    data = animation("WEBP")
    body = data[8:] + struct.pack("<4sI", b"abcd", 0) * count
    return b"RIFF" + struct.pack("<I", len(body)) + body


def data_address(data: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(data).decode()


ATTACKS: Mapping[str, Callable[[], bytes]] = {
    **JPEGS, **PNGS, **PPMS, **GIFS, **TIFFS, **OTHERS,
}  # fmt: skip
