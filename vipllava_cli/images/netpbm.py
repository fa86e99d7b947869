"""Read PBM, PGM, PPM and PFM files that Pillow rounds, or reads number by number in Python."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.images.stretch import Samples

NETPBM_START = re.compile(rb"P[1-6Ff][\s#]")
MAX_HEADER = 4096  # bytes, with comments

_SPACE = rb"(?:\s|#[^\n]*\n)+"
_SIZE = _SPACE + rb"(?P<width>\d{1,7})" + _SPACE + rb"(?P<height>\d{1,7})"
_BITS_HEADER = re.compile(rb"P(?P<kind>[14])" + _SIZE + rb"(?P<top>)\s")
_HEADER = re.compile(
    rb"P(?P<kind>[2356Ff])" + _SIZE + _SPACE + rb"(?P<top>-?[\d.eE+-]{1,20})\s"
)  # fmt: skip
_UNFINISHED = re.compile(rb"P[1-6Ff](?:[\s\d.+-]|#[^\n]*\n)*(?:#[^\n]*)?")
_FLOAT_KINDS, _COLOR_KINDS, _TEXT_KINDS, _BIT_KINDS = b"Ff", b"36F", b"123", b"14"
_PACKED_BITS, _PLAIN_BITS = b"4", b"1"
_TEXT_CHUNK = 1 << 20  # bytes of text that become numbers at a time
_MAX_DIGITS = 10  # of a number, with leading zeros
_SPACES = b" \t\n\r\v\f"


@dataclass(frozen=True)
class NetpbmHeader:
    """The header of a file. `top` is the largest value, or the scale of floats; 1 for bits."""

    kind: bytes
    width: int
    height: int
    top: float
    end: int

    @property
    def type_name(self) -> str:
        if self.kind in _FLOAT_KINDS:
            return "32-bit float"
        return "16-bit" if self.top > 255 else ""

    @property
    def is_plain(self) -> bool:
        """Whether Pillow reads the pixels, as the bytes that they are."""
        if self.kind == _PACKED_BITS:
            return True
        return self.kind not in _FLOAT_KINDS + _TEXT_KINDS and self.top == 255

    def has_samples(self, *, any_bits: bool) -> bool:
        """Return whether `read_netpbm` reads the values: those of more than 8 bits.

        `any_bits` includes grey values of at most 8 bits.
        """
        is_grey = self.kind not in _COLOR_KINDS + _BIT_KINDS
        return bool(self.type_name) or (any_bits and is_grey)


def read_netpbm_header(data: bytes) -> NetpbmHeader | None:
    """Read the header. Returns None for another file, and for a header that is no such."""
    start = data[:MAX_HEADER]
    match = _HEADER.match(start) or _BITS_HEADER.match(start)
    if match is None:
        return None
    kind = match["kind"]
    try:
        top = 1.0 if kind in _BIT_KINDS else float(match["top"])
    except ValueError:
        return None
    if kind not in _FLOAT_KINDS and not 0 < top < 65536:
        return None
    return NetpbmHeader(kind, int(match["width"]), int(match["height"]), top, match.end())


def has_long_header(data: bytes) -> bool:
    """Return whether a header is longer than MAX_HEADER, which only comments can make it."""
    found = _UNFINISHED.match(data[:MAX_HEADER])
    return found is not None and found.end() == MAX_HEADER


def read_netpbm(data: bytes, header: NetpbmHeader) -> Samples:
    """Read the values. Raises ValueError if some are missing."""
    values = _read_values(data, header)
    if header.kind in _FLOAT_KINDS:
        values = values[::-1]  # the rows of a PFM go from bottom to top
    return Samples(np.ascontiguousarray(values), header.type_name)


def read_netpbm_image(data: bytes, header: NetpbmHeader) -> Image.Image:
    """Read an image of at most 8 bits, scaled to 8 bits as Pillow does. Raises ValueError."""
    if header.kind == _PLAIN_BITS:
        return Image.fromarray(_read_bits(data, header) == 0)
    top = int(header.top)
    levels = [min(255, round(value / top * 255)) for value in range(256)]
    values = _read_values(data, header)
    return Image.fromarray(np.array(levels, np.uint8)[values])


def _read_values(data: bytes, header: NetpbmHeader) -> NDArray[Any]:
    """Return values [height, width] or [height, width, 3] as the file holds them."""
    shape = (header.height, header.width, 3 if header.kind in _COLOR_KINDS else 1)
    count = shape[0] * shape[1] * shape[2]
    if header.kind in _TEXT_KINDS:
        values = _read_text(data, header, count)
    else:
        is_float = header.kind in _FLOAT_KINDS
        order = "<" if is_float and header.top < 0 else ">"
        type_code = "f4" if is_float else "u2" if header.top > 255 else "u1"
        dtype = np.dtype(order + type_code)
        if len(data) - header.end < count * dtype.itemsize:
            raise ValueError("image file is truncated")
        values = np.frombuffer(data, dtype, count, header.end).astype(dtype.newbyteorder("="))
    values = values.reshape(shape)
    return values if shape[2] == 3 else values[..., 0]


def _read_text(data: bytes, header: NetpbmHeader, count: int) -> NDArray[Any]:
    """Read decimal numbers in chunks: a list of all of them would take gigabytes."""
    text = _without_comments(data, header)
    if len(text) + 1 < 2 * count:  # a digit and a space each
        raise ValueError("image file is truncated")
    values = np.empty(count, np.uint16)
    done = at = 0
    while done < count and at < len(text):
        numbers, end = _read_numbers(text, at)
        numbers = numbers[: count - done]
        if numbers.max(initial=0) > header.top:
            raise ValueError(f"a value is not between 0 and {header.top:g}")
        values[done : done + numbers.size] = numbers
        done, at = done + numbers.size, end
    if done < count:
        raise ValueError("image file is truncated")
    return values


def _read_numbers(text: bytes, at: int) -> tuple[NDArray[np.int64], int]:
    """Read the complete numbers of a chunk of text. Returns them and where the rest starts."""
    chunk = np.frombuffer(text, np.uint8, min(_TEXT_CHUNK, len(text) - at), at)
    digits = chunk - ord("0")
    is_digit = digits <= 9
    if not (is_digit | np.isin(chunk, np.frombuffer(_SPACES, np.uint8))).all():
        raise ValueError("a value is no number")
    if at + len(chunk) < len(text):  # a number at the end of the chunk may go on after it
        spaces = np.flatnonzero(~is_digit)
        used = int(spaces[-1]) + 1 if spaces.size else 0
    else:
        used = len(chunk)
    edges = np.diff(is_digit[:used].astype(np.int8), prepend=0, append=0)
    starts, ends = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    lengths = ends - starts
    if used == 0 or lengths.max(initial=0) > _MAX_DIGITS:
        raise ValueError(f"a value has more than {_MAX_DIGITS} digits")
    numbers = np.zeros(len(starts), np.int64)
    for place in range(int(lengths.max(initial=0))):
        has_digit = lengths > place
        numbers[has_digit] += digits[ends[has_digit] - 1 - place].astype(np.int64) * 10**place
    return numbers, at + used


def _read_bits(data: bytes, header: NetpbmHeader) -> NDArray[np.uint8]:
    count = header.width * header.height
    digits = _without_comments(data, header).translate(None, _SPACES)[:count]
    if len(digits) < count:
        raise ValueError("image file is truncated")
    bits = np.frombuffer(digits, np.uint8) - ord("0")
    if bits.max(initial=0) > 1:
        raise ValueError("a pixel is neither 0 nor 1")
    return bits.reshape(header.height, header.width)


def _without_comments(data: bytes, header: NetpbmHeader) -> bytes:
    return re.sub(rb"#[^\n]*", b" ", data[header.end :])
