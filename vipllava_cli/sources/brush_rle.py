"""The run lengths of Label Studio's brush -> a mask.

The bytes hold the pixels of an RGBA image in the format of https://thi.ng/rle-pack: a header, then runs
of one value and runs of several. A mask is where the alpha is not 0.
"""

from typing import TYPE_CHECKING, Any

from vipllava_cli.errors import InputError, short_repr

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CHANNELS = 4  # red, green, blue, alpha


def decode_brush(rle: Any, width: int, height: int) -> "NDArray[np.uint8]":
    """Decode a brush region of an image of this size: uint8 [height, width], 1 inside.

    `rle` is a list of bytes. Raises InputError.
    """
    import numpy as np

    from vipllava_cli.images.opening import MAX_PIXELS

    if not isinstance(rle, list) or not all(_is_byte(value) for value in rle):
        raise InputError(f"expected an rle of whole numbers from 0 to 255, found {short_repr(rle)}")
    bits = _Bits(bytes(rle))
    count = bits.read(32)
    if count != width * height * _CHANNELS or count > MAX_PIXELS * _CHANNELS:
        raise InputError(
            f"expected a mask of {width}x{height} pixels, {width * height * _CHANNELS} values;"
            f" found {count} values"
        )
    word = bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    values = np.zeros(count, np.uint8)
    at = 0
    while at < count:
        is_run = bits.read(1)
        end = at + 1 + bits.read(sizes[bits.read(2)])
        if is_run:
            values[at:end] = min(bits.read(word), 255)
        else:
            for single in range(at, min(end, count)):
                values[single] = min(bits.read(word), 255)
        at = end
    mask: NDArray[np.uint8] = (values.reshape(height, width, _CHANNELS)[..., 3] > 0).astype(
        np.uint8
    )
    return mask


def _is_byte(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 255


class _Bits:
    """Reads numbers of any count of bits, the highest bit first."""

    def __init__(self, data: bytes) -> None:
        self._text = "".join(f"{byte:08b}" for byte in data)
        self._at = 0

    def read(self, count: int) -> int:
        """Read a number. Raises InputError at the end of the data."""
        end = self._at + count
        if end > len(self._text):
            raise InputError("the rle ends too early: expected a complete one")
        value = int(self._text[self._at : end], 2)
        self._at = end
        return value
