"""Files that are no image are named, with what to do, in one line."""

from importlib.util import find_spec

import pytest

from tests.conftest import ROOT
from tests.support.images import ORANGE, animation, has_center_color
from vipllava_cli.errors import InputError
from vipllava_cli.images import opening
from vipllava_cli.images.load import decode, read_header
from vipllava_cli.images.signatures import HEIC_BRANDS, is_heic

FILES: dict[str, tuple[bytes, str]] = {
    "PDF": (b"%PDF-1.7\n", "a PDF: save the page as an image"),
    "MP4": (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2", "an MP4 or QuickTime video"),
    "M4V": (b"\0\0\0\x20ftypM4V \0\0\2\0", "an MP4 or QuickTime video"),
    "MOV": (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "an MP4 or QuickTime video"),
    "old MOV": (b"\0\0\0\x08wide\0\0\1\0mdat", "a QuickTime video"),
    "3GP": (b"\0\0\0\x18ftyp3gp5\0\0\1\0", "an MP4 or QuickTime video"),
    "CR3": (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "a raw camera file"),
    "WebM": (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01webm", "a Matroska or WebM video"),
    "AVI": (b"RIFF\x10\0\0\0AVI LIST", "an AVI video"),
    "JPEG XL": (b"\xff\x0a\xfa\x1f\x41\x91", "a JPEG XL image"),
    "JPEG XL box": (b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl ", "a JPEG XL image"),
    "JPEG XR": (b"II\xbc\x01\x08\0\0\0", "a JPEG XR image"),
    "PSD": (b"8BPS\0\1\0\0\0\0\0\0\0\3", "a Photoshop document"),
    "EPS": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "a PostScript document"),
    "EPS with preview": (b"\xc5\xd0\xd3\xc6\x20\0\0\0", "a PostScript document"),
    "SVG": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG drawing"),
    "SVG with a prolog": (
        b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- x -->\n<svg/>",
        "an SVG drawing",
    ),
    "SVG with a comment": (b"<!-- made by hand -->\n<svg/>", "an SVG drawing"),
    "XML": (b"<?xml version='1.0'?><note/>", "an XML document"),
    "HTML": (b"\n<!DOCTYPE HTML><html><body>404</body></html>", "a web page"),
    "HTML in capitals": (b"<HTML><head>", "a web page"),
    "DICOM": (bytes(128) + b"DICM\2\0\0\0UL", "a DICOM file: convert it"),
    "NIfTI": (b"\x5c\1\0\0" + bytes(340) + b"n+1\0" + bytes(9), "a NIfTI volume"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0\0", "an HDF5 file"),
    "EXR": (b"\x76\x2f\x31\x01\2\0\0\0", "an OpenEXR image"),
    "HDR": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "a Radiance HDR image"),
    "FITS": (b"SIMPLE  =                    T", "a FITS file"),
    "NPY": (b"\x93NUMPY\1\0v\0{'descr'", "a NumPy array"),
    "RAF": (b"FUJIFILMCCD-RAW 0201", "a raw camera file"),
    "ORF": (b"IIRO\x08\0\0\0", "a raw camera file"),
    "ZIP": (b"PK\3\4\x14\0\0\0", "a ZIP archive"),
    "gzip": (b"\x1f\x8b\x08\0", "a gzip archive"),
    "tar": (bytes(257) + b"ustar\x0000" + bytes(99), "a tar archive"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "`git lfs pull`"),
    "text": (b"hello, I am a text", "text"),
    "zeros": (bytes(1000), "only zero bytes: get a complete copy"),
    "noise": (bytes(range(128, 256)) * 9, "bytes of no known image format"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_image_is_named_in_one_line(name: str) -> None:
    data, found = FILES[name]
    for read in (read_header, decode):
        with pytest.raises(InputError) as error:
            read(data, "photo.jpg")
        message = str(error.value)
        assert message.startswith("photo.jpg is not an image: expected a JPEG, PNG")
        assert found in message
        assert "\n" not in message


def heic(brand: bytes, *others: bytes) -> bytes:
    brands = b"".join(others)
    size = (16 + len(brands)).to_bytes(4, "big")
    return size + b"ftyp" + brand + bytes(4) + brands + bytes(99)


@pytest.mark.parametrize("brand", HEIC_BRANDS)
def test_heic_without_its_package_names_the_extra(
    brand: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_has_heic", lambda: False)
    with pytest.raises(InputError, match=r"HEIC image.*pip install 'vipllava\[heic\]'"):
        read_header(heic(brand), "photo.heic")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (heic(b"mif1", b"mif1", b"heic"), True),
        (heic(b"mif1", b"mif1", b"avif", b"miaf"), False),
        (heic(b"msf1", b"avis"), False),
        (heic(b"avif", b"mif1"), False),
        (heic(b"isom", b"mp42"), False),
        (animation("AVIF"), False),
    ],
)
def test_avif_is_told_from_heic(data: bytes, expected: bool) -> None:
    assert is_heic(data) is expected


def test_an_avif_of_the_shared_brand_is_read() -> None:
    data = animation("AVIF", 1)
    assert data[8:12] == b"avif"
    assert decode(data[:8] + b"mif1" + data[12:], "x").size == (40, 20)


def test_a_damaged_heic_image_is_named() -> None:
    has_package = find_spec("pillow_heif") is not None
    message = (
        r"cut short or damaged .*HEIC image" if has_package else "needs the package pillow-heif"
    )
    with pytest.raises(InputError, match=message):
        read_header(heic(b"heic", b"mif1"), "photo.heic")


def test_heic_is_read_upright_with_its_package_and_named_without() -> None:
    """The file is turned by its container, and its EXIF block says so again."""
    data = (ROOT / "tests" / "fixtures" / "images" / "turned.heic").read_bytes()
    if find_spec("pillow_heif") is None:
        with pytest.raises(InputError, match="needs the package pillow-heif"):
            decode(data, "x")
        return
    image = decode(data, "x")
    assert read_header(data, "x").size == image.size == (64, 48)
    assert has_center_color(image.crop((0, 0, 14, 48)), (0, 0, 255))
    assert has_center_color(image.crop((20, 0, 64, 48)), ORANGE)
