"""The formats that an encoded image can have by its first bytes, and which need a worker."""

from collections.abc import Callable

from PIL.TiffImagePlugin import PREFIXES

from vipllava_cli.images.jpeg_segments import uses_common_coding
from vipllava_cli.images.netpbm import NETPBM_START
from vipllava_cli.images.signatures import AVIF_BRANDS, SHARED_BRANDS, is_heic

_BMP_COMPRESSION = slice(30, 34)  # of a header of 40 bytes or more
_NOT_PACKED = (0, 3)  # plain pixels, and pixels with bit masks

# Pillow 13 decodes these in Python, or with libraries whose time and memory the header of a file does
# not bound: boxes in boxes, code blocks of many passes, images that are made of other images.
_UNBOUNDED = ("JPEG2000", "AVIF", "HEIF", "ICO", "ICNS", "QOI", "DDS", "PCX", "SGI", "TGA")


def image_formats(data: bytes) -> tuple[str, ...]:
    """Return the formats whose signature the file has, best first. Opens and decodes nothing."""
    return tuple(format for format, has_signature in _SIGNATURES if has_signature(data))


def needs_worker(data: bytes) -> bool:
    """Return whether a process that can be ended has to read the file."""
    formats = image_formats(data)
    if any(format in _UNBOUNDED for format in formats):
        return True
    if formats == ("BMP",):
        is_old = int.from_bytes(data[14:18], "little") < 40
        return not is_old and int.from_bytes(data[_BMP_COMPRESSION], "little") not in _NOT_PACKED
    return formats == ("JPEG",) and not uses_common_coding(data)


def _is_avif(data: bytes) -> bool:
    if data[4:8] != b"ftyp" or data[8:12] not in (*AVIF_BRANDS, *SHARED_BRANDS):
        return False
    return not is_heic(data)


_TGA_KINDS = {1: (8,), 2: (15, 16, 24, 32), 3: (8, 16), 9: (8,), 10: (15, 16, 24, 32), 11: (8, 16)}
_TGA_HEADER = 18


def _looks_like_tga(data: bytes) -> bool:
    """Return whether a file is a TGA image, which has no signature at its start."""
    if len(data) < _TGA_HEADER or data[2] not in _TGA_KINDS:
        return False
    has_palette, bits = data[1], data[16]
    width, height = (int.from_bytes(data[at : at + 2], "little") for at in (12, 14))
    if has_palette > 1 or bits not in _TGA_KINDS[data[2]] or not (width and height):
        return False
    if data[2] in (1, 9) and not has_palette:
        return False
    is_packed = data[2] > 8
    return is_packed or len(data) >= _TGA_HEADER + width * height * ((bits + 7) // 8)


def _starts(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda data: data.startswith(signatures)


_SIGNATURES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("JPEG", _starts(b"\xff\xd8\xff")),
    ("PNG", _starts(b"\x89PNG\r\n\x1a\n")),
    ("WEBP", lambda data: data[:4] == b"RIFF" and data[8:12] == b"WEBP"),
    ("GIF", _starts(b"GIF87a", b"GIF89a")),
    ("TIFF", _starts(*PREFIXES)),
    ("BMP", _starts(b"BM")),
    ("PPM", lambda data: NETPBM_START.match(data) is not None),
    ("HEIF", is_heic),
    ("AVIF", _is_avif),
    ("JPEG2000", _starts(b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  \r\n\x87\n")),
    ("ICO", _starts(b"\0\0\1\0")),
    ("ICNS", _starts(b"icns")),
    ("QOI", _starts(b"qoif")),
    ("DDS", _starts(b"DDS ")),
    ("PCX", lambda data: data[:1] == b"\n" and data[1:2] in (b"\0", b"\2", b"\3", b"\5")),
    ("SGI", _starts(b"\x01\xda")),
    ("TGA", _looks_like_tga),
)
