"""Read PGM and PPM files of more than 8 bits, and PFM files, without rounding."""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vipllava_cli.images.stretch import Samples

_SPACE = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(
    rb"P(?P<kind>[2356Ff])" + _SPACE + rb"(?P<width>\d{1,7})" + _SPACE + rb"(?P<height>\d{1,7})"
    rb"(?:\s|#[^\n]*\n)+(?P<top>-?[\d.eE+-]{1,20})\s"
)  # fmt: skip
_FLOAT_KINDS, _COLOR_KINDS, _TEXT_KINDS = b"Ff", b"36F", b"23"
_MAX_HEADER = 4096


@dataclass(frozen=True)
class NetpbmHeader:
    """The header of a deep file. `top` is the largest value, or the scale of floats."""

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


def read_netpbm_header(data: bytes, *, any_bits: bool = False) -> NetpbmHeader | None:
    """Read the header. Returns None for another file, and for one of at most 8 bits.

    With `any_bits`, a gray file of at most 8 bits is read, too.
    """
    match = _HEADER.match(data[:_MAX_HEADER]) if data[:1] == b"P" else None
    if match is None:
        return None
    try:
        top = float(match["top"])
    except ValueError:
        return None
    kind = match["kind"]
    lowest = 0 if any_bits and kind not in _COLOR_KINDS else 255
    if kind not in _FLOAT_KINDS and not lowest < top < 65536:
        return None
    return NetpbmHeader(kind, int(match["width"]), int(match["height"]), top, match.end())


def read_netpbm(data: bytes, header: NetpbmHeader) -> Samples:
    """Read the values. Raises ValueError if some are missing."""
    shape = (header.height, header.width, 3 if header.kind in _COLOR_KINDS else 1)
    count = shape[0] * shape[1] * shape[2]
    values: NDArray[Any]
    if header.kind in _TEXT_KINDS:
        lines = re.sub(rb"#[^\n]*", b" ", data[header.end :])
        values = np.array(lines.split(None, count)[:count], np.uint16)
    else:
        is_float = header.kind in _FLOAT_KINDS
        order = "<" if is_float and header.top < 0 else ">"
        type_code = "f4" if is_float else "u2" if header.top > 255 else "u1"
        dtype = np.dtype(order + type_code)
        content = data[header.end : header.end + count * dtype.itemsize]
        if len(content) < count * dtype.itemsize:
            raise ValueError("image file is truncated")
        values = np.frombuffer(content, dtype).astype(dtype.newbyteorder("="))
    if values.size < count:
        raise ValueError("image file is truncated")
    values = values.reshape(shape)
    if header.kind in _FLOAT_KINDS:
        values = values[::-1]  # the rows of a PFM go from bottom to top
    values = values if shape[2] == 3 else values[..., 0]
    return Samples(np.ascontiguousarray(values), header.type_name)
