"""The segments of a JPEG: their number and size, and the scans of its pixels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from vipllava_cli.errors import InputError

MAX_METADATA = 32 << 20  # bytes: depth maps and thermal images take some MiB
MAX_SEGMENTS = 5000
MAX_JUNK = 1 << 20  # bytes between segments
# Pixels times scans. A usual progressive JPEG has 10 scans.
MAX_SCANNED_PIXELS, _USUAL_SCANS = 4_000_000_000, 25

_MAX_BITS = 16  # of a value, in any coding

_EOI, _SOS, _STUFFED, _TEM = 0xD9, 0xDA, 0x00, 0x01
_RESTARTS_AND_SOI = range(0xD0, 0xD9)
_SIZED_FRAMES = tuple(marker for marker in range(0xC0, 0xD0) if marker not in (0xC4, 0xC8, 0xCC))
_BASELINE, _PROGRESSIVE = (0xC0, 0xC1), 0xC2
_COMMON_CODINGS = (*_BASELINE, _PROGRESSIVE)  # of Huffman: fast in proportion to the file
_MARKER = re.compile(rb"\xff[^\0\1\xd0-\xd7\xff]", re.DOTALL)  # not in the pixels
_MAX_MARKERS = 100_000
_FILL = re.compile(rb"\xff+")


@dataclass(frozen=True)
class _Segment:
    """A segment before the pixels: its marker, and where its content starts and ends."""

    marker: int
    start: int
    end: int
    junk: int  # bytes before it


def check_jpeg(data: bytes, name: str) -> None:
    """Raise InputError for metadata and scans beyond all reason, and for 12 bits. Reads the segments.

    Pillow 13.0.0 copies all EXIF segments again for each one, skips junk byte by byte, and libjpeg goes
    over all pixels for each scan.
    """
    size = junk = 0
    frame: _Segment | None = None
    for number, segment in enumerate(_segments(data)):
        size += segment.end - segment.start
        junk += segment.junk
        if number == MAX_SEGMENTS or size > MAX_METADATA or junk > MAX_JUNK:
            raise InputError(
                f"{name} holds more metadata than pixels need: expected at most"
                f" {MAX_METADATA >> 20} MiB in {MAX_SEGMENTS:,} segments before them; save it again"
                " without metadata, as `exiftool -all= FILE` does"
            )
        if segment.marker in _SIZED_FRAMES:
            frame = segment
            _check_bits(int.from_bytes(data[frame.start : frame.start + 1], "big"), name)
        elif segment.marker == _SOS:
            _check_scans(data, frame, segment, name)
            return


def _check_bits(bits: int, name: str) -> None:
    """Raise InputError for an intact image that Pillow does not read. Other numbers are damage."""
    if 8 < bits <= _MAX_BITS:
        raise InputError(
            f"{name} is a JPEG of {bits} bits, which is not read: expected 8 bits; save it as a 16-bit"
            " PNG or TIFF"
        )


def uses_common_coding(data: bytes) -> bool:
    """Return whether the pixels are coded as nearly all JPEGs are: with Huffman codes."""
    for number, segment in enumerate(_segments(data)):
        if segment.marker in _SIZED_FRAMES:
            return segment.marker in _COMMON_CODINGS
        if segment.marker == _SOS or number == MAX_SEGMENTS:
            break
    return True  # `check_jpeg` or Pillow refuses it


def _check_scans(data: bytes, frame: _Segment | None, first: _Segment, name: str) -> None:
    """Count the scans of an image that may have several. Raises InputError."""
    if frame is None or frame.end - frame.start < 6:
        return  # Pillow refuses it
    components, scanned = data[frame.start + 5], data[first.start]
    if frame.marker in _BASELINE and scanned == components:
        return
    height, width = (
        int.from_bytes(data[at : at + 2], "big") for at in (frame.start + 1, frame.start + 3)
    )
    scans = _count_scans(data, first)
    if scans > _USUAL_SCANS and scans * width * height > MAX_SCANNED_PIXELS:
        raise InputError(
            f"{name} holds {scans:,} scans of {width}x{height} pixels: expected an image of about 10"
            " scans; save it again with another program"
        )


def _count_scans(data: bytes, first: _Segment) -> int:
    """Count the scans up to the end of the image: a video or another image may follow it.

    Of an image with too many segments, counts the segments.
    """
    scans, at = 1, first.end
    for _ in range(_MAX_MARKERS):
        found = _MARKER.search(data, at)
        if found is None or found[0][1] == _EOI:
            return scans
        scans += found[0][1] == _SOS
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return _MAX_MARKERS


def _segments(data: bytes) -> Iterator[_Segment]:
    """Iterate over the segments until that of the first scan, or the first that is incomplete."""
    at = kept = 2  # after the marker of the start
    while True:
        found = _FILL.search(data, at)
        if found is None or found.end() >= len(data):
            if len(data) - kept > MAX_JUNK:
                yield _Segment(_STUFFED, len(data), len(data), len(data) - kept)
            return
        marker, at = data[found.end()], found.end() + 1
        junk = found.end() - 1 - kept
        if marker in (_STUFFED, _TEM, _EOI) or marker in _RESTARTS_AND_SOI:
            yield _Segment(marker, at, at, junk)
            kept = at
            continue
        start, end = at + 2, at + int.from_bytes(data[at : at + 2], "big")
        if end < start or end > len(data):
            return
        yield _Segment(marker, start, end, junk)
        if marker == _SOS:
            return
        at = kept = end
