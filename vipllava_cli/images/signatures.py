"""Name the kind of a file that is no image, with what to do about it."""

from collections.abc import Callable, Mapping

PNG_ADVICE = "save it as a PNG"
_FRAME_ADVICE = "save a frame as a PNG, as `ffmpeg -i VIDEO -frames:v 1 frame.png` does"
_RAW = "a raw camera file: develop it to a JPEG or PNG"
_DICOM = "a DICOM file: convert it to a 16-bit PNG, as `dcmj2pnm +on2 IN.dcm OUT.png` does"
_UNPACK = "unpack it, and give an image in it"

# The first bytes -> what the file is, and what to do. Longer signatures come first.
_STARTS: Mapping[bytes, str] = {
    b"version https://git-lfs": "a Git LFS pointer: fetch the image with `git lfs pull`",
    b"\0\0\0\x0cJXL \r\n\x87\n": f"a JPEG XL image: {PNG_ADVICE}, as `djxl` does",
    b"\xff\x0a": f"a JPEG XL image: {PNG_ADVICE}, as `djxl` does",
    b"II\xbc": f"a JPEG XR image: {PNG_ADVICE}",
    b"%PDF": "a PDF: save the page as an image",
    b"%!PS": f"a PostScript document: {PNG_ADVICE}",
    b"\xc5\xd0\xd3\xc6": f"a PostScript document: {PNG_ADVICE}",
    b"8BPS": f"a Photoshop document: {PNG_ADVICE}",
    b"gimp xcf": f"a GIMP document: {PNG_ADVICE}",
    b"<svg": "an SVG drawing: save it as a PNG",
    b"<html": "a web page: download the image itself",
    b"<!doctype html": "a web page: download the image itself",
    b"\x76\x2f\x31\x01": "an OpenEXR image: save it as a PNG or a 32-bit float TIFF",
    b"#?RADIANCE": "a Radiance HDR image: save it as a PNG or a 32-bit float TIFF",
    b"#?RGBE": "a Radiance HDR image: save it as a PNG or a 32-bit float TIFF",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file: save one image in it as a PNG or TIFF",
    b"CDF\x01": "a NetCDF file: save one image in it as a PNG or TIFF",
    b"CDF\x02": "a NetCDF file: save one image in it as a PNG or TIFF",
    b"SIMPLE  =": "a FITS file: save it as a 32-bit float TIFF",
    b"\x93NUMPY": "a NumPy array: save it as a PNG or TIFF",
    b"MATLAB 5.0": "a MATLAB file: save one image in it as a PNG or TIFF",
    b"PAR1": "a Parquet table: `vipllava batch` reads such a table",
    b"\x1a\x45\xdf\xa3": f"a Matroska or WebM video: {_FRAME_ADVICE}",
    b"\0\0\x01\xba": f"an MPEG video: {_FRAME_ADVICE}",
    b"\0\0\x01\xb3": f"an MPEG video: {_FRAME_ADVICE}",
    b"FLV\x01": f"a Flash video: {_FRAME_ADVICE}",
    b"\x30\x26\xb2\x75": f"a Windows Media video: {_FRAME_ADVICE}",
    b"OggS": f"an Ogg file: {_FRAME_ADVICE}",
    b"FUJIFILMCCD-RAW": _RAW,
    b"IIRO": _RAW,
    b"IIRS": _RAW,
    b"MMOR": _RAW,
    b"IIU\0": _RAW,
    b"FOVb": _RAW,
    b"\0MRM": _RAW,
    b"BPG\xfb": f"a BPG image: {PNG_ADVICE}",
    b"FLIF": f"a FLIF image: {PNG_ADVICE}",
    b"AT&TFORM": f"a DjVu document: {PNG_ADVICE}",
    b"\xd7\xcd\xc6\x9a": f"a WMF drawing: {PNG_ADVICE}",
    b"PK\x03\x04": f"a ZIP archive or an office document: {_UNPACK}",
    b"PK\x05\x06": "an empty ZIP archive: give an image",
    b"\x1f\x8b": f"a gzip archive: {_UNPACK}",
    b"BZh": f"a bzip2 archive: {_UNPACK}",
    b"\xfd7zXZ": f"an xz archive: {_UNPACK}",
    b"\x28\xb5\x2f\xfd": f"a Zstandard archive: {_UNPACK}",
    b"7z\xbc\xaf\x27\x1c": f"a 7-Zip archive: {_UNPACK}",
    b"Rar!": f"a RAR archive: {_UNPACK}",
}

# The brand of an ISO media file, at byte 8 after `ftyp` -> what the file is.
HEIC_BRANDS = (
    *(b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"),
    *(b"mif1", b"msf1", b"mif2", b"heif"),
)
AVIF_BRANDS = (b"avif", b"avis")
SHARED_BRANDS = (b"mif1", b"msf1", b"mif2", b"heif")  # of HEIC and of AVIF
_MEDIA_START = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # of a QuickTime video
_HEADER_BYTES = 4096

HEIC_NEEDS_EXTRA = (
    "found a HEIC image, which needs the package pillow-heif: install it with"
    " `pip install 'vipllava[heic]'`, or save the image as a JPEG"
)


def is_heic(data: bytes) -> bool:
    """Return whether a file is a HEIC or HEIF image, but not an AVIF one."""
    brand = data[8:12]
    if data[4:8] != b"ftyp" or brand not in HEIC_BRANDS:
        return False
    size = min(max(int.from_bytes(data[:4], "big"), 16), _HEADER_BYTES)
    others = [data[at : at + 4] for at in range(16, size, 4)]
    if brand not in SHARED_BRANDS or any(other in HEIC_BRANDS[:8] for other in others):
        return True
    is_avif = any(other in AVIF_BRANDS for other in others) or b"av01" in data[:_HEADER_BYTES]
    return not is_avif


def find_container(data: bytes) -> str:
    """Return what a file is that is no image, and what to do. Empty text if nothing is known."""
    if data[4:8] == b"ftyp" and data[8:12] not in (*HEIC_BRANDS, *AVIF_BRANDS):
        if data[8:12] == b"crx ":
            return _RAW
        if data[8:12] == b"jxl ":
            return _STARTS[b"\xff\x0a"]
        if data[8:12] not in (b"jp2 ", b"jpx ", b"jpm "):
            return f"an MP4 or QuickTime video: {_FRAME_ADVICE}"
    for is_kind, description in _PLACES:
        if is_kind(data):
            return description
    start = data[:_HEADER_BYTES].lstrip(b"\xef\xbb\xbf \t\r\n")
    lowered = start[:64].lower()
    for signature, description in _STARTS.items():
        if data.startswith(signature) or start.startswith(signature):
            return description
        if signature[:1] == b"<" and lowered.startswith(signature):
            return description
    if lowered.startswith((b"<?xml", b"<!--", b"<!doctype")):
        if b"<svg" in start:
            return _STARTS[b"<svg"]
        return _STARTS[b"<html"] if b"<html" in start.lower() else "an XML document: give an image"
    return ""


_PLACES: tuple[tuple[Callable[[bytes], bool], str], ...] = (
    (lambda data: data[128:132] == b"DICM", _DICOM),
    (lambda data: data[4:8] in _MEDIA_START, f"a QuickTime video: {_FRAME_ADVICE}"),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"AVI ", f"an AVI video: {_FRAME_ADVICE}"),
    (lambda data: data[:4] == b"RIFF" and data[8:12] == b"WAVE", "a sound: give an image"),
    (
        lambda data: data[344:348] in (b"n+1\0", b"ni1\0") or data[4:8] in (b"n+2\0", b"ni2\0"),
        "a NIfTI volume: save one slice as a PNG or TIFF",
    ),
    (lambda data: data[40:44] == b" EMF", f"an EMF drawing: {PNG_ADVICE}"),
    (lambda data: data[257:262] == b"ustar", f"a tar archive: {_UNPACK}"),
    (lambda data: data[:2] in (b"II", b"MM") and data[8:10] == b"CR", _RAW),
    (lambda data: not data[:_HEADER_BYTES].strip(b"\0"), "only zero bytes: get a complete copy"),
)

RAW_SUFFIXES = (
    *(".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".sr2", ".srf", ".dng", ".orf", ".rw2"),
    *(".raf", ".pef", ".srw", ".3fr", ".iiq", ".erf", ".mos", ".kdc", ".dcr", ".mef", ".x3f"),
)
RAW_CAMERA_FILE = _RAW


def describe(data: bytes) -> str:
    """Describe the kind of file for a message."""
    container = find_container(data)
    if container:
        return container
    try:
        data[:1024].decode("utf-8")
    except UnicodeDecodeError as error:
        # The cut at 1024 bytes may have split a character at the end of a text.
        return "text" if error.start > 1000 else "bytes of no known image format"
    return "bytes of no known image format" if b"\0" in data[:1024] else "text"
