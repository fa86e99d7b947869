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
_MAX_RUNS = 4_000_000  # a pixel in colour takes up to three


def decode_brush(rle: Any, width: int, height: int) -> "NDArray[np.uint8]":
    """Decode a brush region of an image of this size: uint8 [height, width], 1 inside.

    `rle` is a list of bytes. Raises InputError.
    """
    import numpy as np

    from vipllava_cli.images.opening import MAX_PIXELS

    bits = _Bits(_to_bytes(rle))
    count = bits.read(32)
    if count != width * height * _CHANNELS or count > MAX_PIXELS * _CHANNELS:
        raise InputError(
            f"expected a mask of {width}x{height} pixels, {width * height * _CHANNELS} values;"
            f" found {count} values"
        )
    word = bits.read(5) + 1
    sizes = [bits.read(4) + 1 for _ in range(4)]
    alpha = np.zeros(width * height, np.uint8)
    at = runs = 0
    while at < count:
        runs += 1
        if runs > _MAX_RUNS:
            raise InputError(
                f"the rle has more than {_MAX_RUNS} runs, as noise has: expected a region; smooth it"
            )
        is_run = bits.read(1)
        end = at + 1 + bits.read(sizes[bits.read(2)])
        # The alpha of pixel p is value 4p + 3.
        pixels = slice(at // _CHANNELS, min(end, count) // _CHANNELS)
        if is_run:
            if bits.read(word):
                alpha[pixels] = 1
        else:
            is_set = bits.read_set(min(end, count) - at, word)
            alpha[pixels] = is_set[_CHANNELS - 1 - at % _CHANNELS :: _CHANNELS]
        at = end
    return alpha.reshape(height, width)


def _to_bytes(rle: Any) -> bytes:
    """Check a list of bytes. Raises InputError."""
    try:
        if isinstance(rle, list) and set(map(type, rle)) <= {int}:
            return bytes(rle)
    except ValueError:
        pass
    raise InputError(f"expected an rle of whole numbers from 0 to 255, found {short_repr(rle)}")


class _Bits:
    """Reads numbers of up to 32 bits, the highest bit first. Raises InputError at the end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._count = len(data) * 8
        self._at = 0

    def read(self, count: int) -> int:
        """Read a number."""
        first = self._at >> 3
        self._move(count)
        window = int.from_bytes(self._data[first : first + 5].ljust(5, b"\0"))
        return window >> (40 - count - (self._at - count - first * 8)) & ((1 << count) - 1)

    def read_set(self, count: int, word: int) -> "NDArray[np.bool_]":
        """Read numbers of `word` bits. Returns which are not 0."""
        import numpy as np

        first, skipped = self._at >> 3, self._at & 7
        self._move(count * word)
        data = np.frombuffer(self._data[first : (self._at + 7) >> 3], np.uint8)
        bits = np.unpackbits(data)[skipped : skipped + count * word]
        is_set: NDArray[np.bool_] = np.asarray(bits.reshape(count, word).any(axis=1))
        return is_set

    def _move(self, count: int) -> None:
        self._at += count
        if self._at > self._count:
            raise InputError("the rle ends too early: expected a complete one")
