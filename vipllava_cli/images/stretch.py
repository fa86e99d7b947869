"""Show values of more than 8 bits as 8-bit grey levels or colours.

The range between two percentiles becomes black to white, so that a few hot pixels do not darken the
rest. All colour channels share one range, so that colours stay.
"""

from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.images.window import Window, format_window

PERCENTILES = (0.5, 99.5)
WINDOW_OPTION = "--window LOW,HIGH"
CONSTANT_GREY = 128  # an image with one value, unless that is 0

_MAX_SAMPLE = 4_000_000  # values that estimate the percentiles of floats and 32-bit integers
_BAND = 1 << 20  # values converted at a time: 64-bit floats of a complete image take too much

Array: TypeAlias = NDArray[Any]
_Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Samples:
    """The values of an image, [height, width] or [height, width, 3].

    `alpha` is uint8 [height, width] or None. `nodata` is the value of pixels without a value.
    `kind` names the type for messages, such as "16-bit". `inverted`: low values are bright.
    """

    values: Array
    kind: str
    alpha: NDArray[np.uint8] | None = None
    nodata: float | None = None
    inverted: bool = False


def turn_samples(samples: Samples, turn: Image.Transpose) -> Samples:
    """Turn or flip values and their opacity as Pillow turns an image."""
    alpha = None if samples.alpha is None else _turn(samples.alpha, turn)
    return replace(samples, values=_turn(samples.values, turn), alpha=alpha)


def _turn(values: Array, turn: Image.Transpose) -> Array:
    height, width = values.shape[:2]
    numbers = np.arange(height * width, dtype=np.int32).reshape(height, width)
    places = np.asarray(Image.fromarray(numbers).transpose(turn))
    turned: Array = values.reshape(height * width, *values.shape[2:])[places]
    return turned


def find_missing(samples: Samples) -> NDArray[np.bool_] | None:
    """Return which pixels have no value, [height, width]. None if all have one."""
    return _find_missing(samples.values, samples.nodata)


@dataclass(frozen=True)
class Stretch:
    """How values became grey levels: `low` black, `high` white. `left_out` counts pixels without a value.

    `by_hand`: the user chose the range.
    """

    kind: str
    low: float
    high: float
    left_out: int = 0
    by_hand: bool = False

    def note(self, choice: str = WINDOW_OPTION) -> str:
        """Return a note for the user. Empty if the range is the user's and every pixel has a value.

        `choice` is what the user can give to choose a range.
        """
        left_out = f"{self.left_out:,} pixels without a value are black" if self.left_out else ""
        if self.by_hand:
            return left_out
        if self.low == self.high:
            return f"every {self.kind} value is {self.low:.6g}, so the image has one grey level"
        first, last = PERCENTILES
        return (
            f"{self.kind} values from {self.low:.6g} to {self.high:.6g} (percentiles {first:g} to"
            f" {last:g}) are shown as black to white{left_out and '; '}{left_out};"
            f" {choice} sets the range"
        )


def kind_note(kind: str, window: Window | None, choice: str = WINDOW_OPTION) -> str:
    """Return a note about an image that is not decoded yet. `kind` is empty for 8 bits."""
    if not kind:
        if window is None:
            return ""
        return f"the window {format_window(window)} has no effect on an image of 8 bits"
    if window:
        return ""
    first, last = PERCENTILES
    return (
        f"{kind} values between the percentiles {first:g} and {last:g} are shown as black to white;"
        f" {choice} sets the range"
    )


def stretch(samples: Samples, window: Window | None) -> tuple[NDArray[np.uint8], Stretch] | None:
    """Convert values to uint8 of the same shape. Returns None if no pixel has a value."""
    values = samples.values
    missing = _find_missing(values, samples.nodata)
    if missing is not None and missing.all():
        return None
    low, high = window or _range(values, _visible(missing, samples.alpha))
    scaled = _scale(values, low, high)
    if samples.inverted:
        scaled = 255 - scaled
    left_out = 0
    if missing is not None:
        scaled[missing] = 0
        left_out = int(np.count_nonzero(missing))
    return scaled, Stretch(samples.kind, low, high, left_out, window is not None)


def _find_missing(values: Array, nodata: float | None) -> _Flags | None:
    """Return which pixels have no value, [height, width]. None if all have one."""
    missing: Array | None = ~np.isfinite(values) if values.dtype.kind == "f" else None
    if nodata is not None and np.isfinite(nodata):
        is_nodata = values == _as_type(nodata, values.dtype)
        missing = is_nodata if missing is None else missing | is_nodata
    if missing is None or not missing.any():
        return None
    flags: _Flags = np.asarray(missing.any(axis=2) if missing.ndim == 3 else missing)
    return flags


def _visible(missing: _Flags | None, alpha: NDArray[np.uint8] | None) -> _Flags | None:
    """Return which pixels count for the percentiles. None for all of them."""
    visible = None if missing is None else ~missing
    if alpha is not None:  # transparent pixels hold values that nobody sees
        seen = alpha > 0 if visible is None else visible & (alpha > 0)
        visible = seen if seen.any() else visible
    return visible


def _as_type(number: float, dtype: np.dtype[Any]) -> Any:
    """Return a number as the type holds it: -3.4028235e38 of a text is no exact 32-bit float."""
    with np.errstate(over="ignore"):
        return dtype.type(number) if dtype.kind == "f" else number


def _range(values: Array, known: _Flags | None) -> Window:
    """Return the percentiles, or the lowest and highest value if these are equal."""
    chosen = values if known is None else values[known]
    if chosen.dtype in (np.uint16, np.int16):
        low, high = _histogram_range(chosen)
    else:
        flat = chosen.reshape(-1)
        # An odd step does not always hit the same column.
        sample = flat[:: max(flat.size // _MAX_SAMPLE, 1) | 1]
        low, high = (float(each) for each in np.percentile(sample.astype(np.float64), PERCENTILES))
    if low == high:
        low, high = float(chosen.min()), float(chosen.max())
    return low, high


def _histogram_range(values: Array) -> Window:
    offset = -32768 if values.dtype == np.int16 else 0
    counts = np.zeros(65536, np.int64)
    for band in np.array_split(values.reshape(-1), max(values.size // _BAND, 1)):
        counts += np.bincount(band.astype(np.int32) - offset, minlength=65536)
    total = np.cumsum(counts)
    places = np.searchsorted(total, [values.size * each / 100 for each in PERCENTILES], "right")
    last = int(np.flatnonzero(counts)[-1])
    low, high = (float(min(int(place), last) + offset) for place in places)
    return low, high


def _scale(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Convert values to levels, those of 16 bits by a table of all values."""
    if values.dtype.itemsize != 2 or values.dtype.kind == "f":
        return _scale_each(values, low, high)
    table = _scale_each(np.arange(65536, dtype=np.uint16).view(values.dtype), low, high)
    levels: NDArray[np.uint8] = table[values.view(np.uint16)]
    return levels


def _scale_each(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    scaled = np.empty(values.size, np.uint8)
    flat = values.reshape(-1)
    for start in range(0, flat.size, _BAND):
        with np.errstate(invalid="ignore", over="ignore"):  # pixels without a value
            band = flat[start : start + _BAND].astype(np.float64)
            if low == high:
                level = np.where(band == 0, 0.0, float(CONSTANT_GREY))
            else:
                level = np.clip((band - low) / (high - low), 0, 1) * 255
        scaled[start : start + _BAND] = np.round(np.nan_to_num(level))
    return scaled.reshape(values.shape)
