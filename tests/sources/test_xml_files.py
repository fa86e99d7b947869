"""Encodings of XML files."""

import shutil
from pathlib import Path

import pytest

from tests.support.regions import CASES, read_regions
from tests.support.sources import read_error

FILE = (
    '<?xml version="1.0" encoding="{declared}"?>\n<annotation><filename>a.jpg</filename><object><name>'
    "{label}</name><bndbox><xmin>21</xmin><ymin>31</ymin><xmax>60</xmax><ymax>55</ymax></bndbox>"
    "</object></annotation>"
)


def write(folder: Path, declared: str, encoding: str, label: str) -> Path:
    shutil.copy(CASES / "01-coco-float-ids" / "a.jpg", folder)
    file = folder / "a.xml"
    file.write_bytes(FILE.format(declared=declared, label=label).encode(encoding))
    return file


@pytest.mark.parametrize(
    ("declared", "encoding", "label"),
    [
        ("utf-16", "utf-16", "螺栓"),
        ("utf-8", "utf-8-sig", "Straße"),
        ("gbk", "gbk", "螺栓"),
        ("GB2312", "gb2312", "螺栓"),
        ("big5", "big5", "螺栓"),
        ("Shift_JIS", "shift_jis", "ボルト"),
        ("windows-1252", "cp1252", "Straße"),
        ("gbk", "utf-8", "Straße"),
        ("iso-8859-1", "utf-8", "Straße"),
    ],
)
def test_a_declared_encoding_is_read(
    tmp_path: Path, declared: str, encoding: str, label: str
) -> None:
    found = read_regions(write(tmp_path, declared, encoding, label))
    assert found.labels == [label]
    assert found.regions == [("box", (20, 30, 60, 55))]


@pytest.mark.parametrize(
    "declared", ["rot13", "base64", "idna", "punycode", "undefined", "no-such-encoding"]
)
def test_a_declared_encoding_that_is_none_is_one_line(tmp_path: Path, declared: str) -> None:
    assert "not valid XML" in read_error(write(tmp_path, declared, "cp1252", "Straße"))
