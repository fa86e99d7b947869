"""Names in ZIP archives."""

import struct
import zlib
from zipfile import ZipInfo

import pytest

from vipllava_cli.storage.zip_names import decode_name, is_junk, leads_outside, normal_path


def undeclared(raw: bytes, extra: bytes = b"") -> ZipInfo:
    """Make an entry as `zipfile` reads it, without the flag of UTF-8."""
    info = ZipInfo()
    info.filename = info.orig_filename = raw.decode("cp437")
    info.extra = extra
    return info


def unicode_path(raw: bytes, name: str) -> bytes:
    value = struct.pack("<BL", 1, zlib.crc32(raw)) + name.encode()
    return struct.pack("<HH", 0x7075, len(value)) + value


def test_names_are_decoded() -> None:
    assert decode_name(undeclared(b"a\\b.png")) == ("a/b.png", True)
    assert decode_name(undeclared("ä/螺.png".encode())) == ("ä/螺.png", True)
    gbk = "螺栓.png".encode("gbk")
    assert decode_name(undeclared(gbk), "gbk") == ("螺栓.png", True)
    assert not decode_name(undeclared(gbk))[1]
    assert decode_name(undeclared(gbk, unicode_path(gbk, "螺栓.png"))) == ("螺栓.png", True)
    assert not decode_name(undeclared(gbk, unicode_path(b"other", "x.png")))[1], "a renamed entry"
    assert decode_name(undeclared(gbk, b"\x75\x70\xff\xff"))[0], "a damaged field"


@pytest.mark.parametrize("path", ["/a", "../a", "a/../../b", "a/..", "C:/a", "c:a", "..", "//x/y"])
def test_paths_that_lead_outside(path: str) -> None:
    assert leads_outside(path)


@pytest.mark.parametrize("path", ["a", "a..b/c..", "..a", "./a", "a/b:c", "a/...", ".hidden"])
def test_paths_inside(path: str) -> None:
    assert not leads_outside(path)


def test_normal_paths() -> None:
    assert normal_path("./a//b/./c") == "a/b/c"


def test_junk() -> None:
    for path in ("__MACOSX/x/a.png", "x/._a.png", ".DS_Store", "x/Thumbs.db"):
        assert is_junk(path)
    for path in ("a._b.png", "MACOSX/a.png", "x/DS_Store.png"):
        assert not is_junk(path)
