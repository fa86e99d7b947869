"""The pixels of a mask image -> the region that it shows.

A mask is black and white: with soft edges, with the noise of a JPEG, or with transparency around the
object. A label map has a value for each of several regions (Pascal VOC, Cityscapes, ids of
instances), and the user chooses one: taking all of them, or the brightest, would be a wrong region.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images.stretch import Samples, find_missing
from vipllava_cli.storage.counts import count_noun

Region = NDArray[np.bool_]

_BAND_PIXELS = 1 << 24  # in one step
_MAX_LISTED_VALUES = 8  # in a message
_MAX_COLORS = 256  # of a label map in colour; a photograph has more
_GRAY_SPREAD = 40  # between the channels of a gray pixel in a JPEG
_VOID = 255  # pixels that belong to no class, in many label maps

# Of gray levels: how a mask with soft edges or noise differs from a label map.
_MIN_SPAN = 32  # from dark to bright
_NOISE = 40 / 255  # around dark and bright, as a share of the span
_NOISE_IN_AREA = 16 / 255  # within an area of one value in a JPEG, as a share of the span
_MAX_AREA_SHARE = 0.5  # of the levels that fill areas; in a label map, nearly all of them do
_MAX_BETWEEN = 0.5  # of all pixels; a photograph has more between dark and bright
_MAX_FLAT_SHARE = 0.3  # of the pixels between dark and bright that equal their neighbours
_MAX_LOSSY_AREA = 0.002  # of the pixels: areas between dark and bright in a JPEG
_SAME_COLOR = 48  # between the channels of two shades of one colour
_MIN_SAME_COLOR = 0.95  # of the bright pixels of a mask in one colour


@dataclass(frozen=True)
class MaskPixels:
    """The upright pixels of a mask image.

    `values` [height, width] are gray levels, indices of a palette, or colours as 0xrrggbb. `gray` are
    the gray levels of a palette without colours. `inverted`: low values are bright. `visible` is None
    for an opaque image.
    """

    name: str
    values: NDArray[Any]
    is_color: bool = False
    is_lossy: bool = False
    is_palette: bool = False
    gray: NDArray[Any] | None = None
    inverted: bool = False
    visible: Region | None = None


def read_pixels(image: Image.Image, name: str) -> MaskPixels:
    """Convert an image in its own mode. `name` is for messages."""
    is_lossy = image.format in ("JPEG", "MPO")
    visible = _visible(image) if image.has_transparency_data else None
    if image.mode == "P":
        indices = np.asarray(image)
        shades = _palette_shades(image)
        gray = None if shades is None or (shades < 0)[indices].any() else shades[indices]
        return MaskPixels(name, indices, is_palette=True, gray=gray, visible=visible)
    if image.mode in ("L", "LA", "La"):
        gray_image = image if image.mode == "L" else image.convert("LA").getchannel("L")
        return MaskPixels(name, np.asarray(gray_image), is_lossy=is_lossy, visible=visible)
    if image.mode in ("1", "I", "F") or image.mode.startswith("I;16"):
        return MaskPixels(name, _numbers(np.asarray(image)))
    colors = np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    if _is_gray(colors, _GRAY_SPREAD if is_lossy else 0):
        return MaskPixels(name, colors[:, :, 1], is_lossy=is_lossy, visible=visible)
    codes = _pack_colors(colors)
    return MaskPixels(name, codes, is_color=True, is_lossy=is_lossy, visible=visible)


def read_samples(samples: Samples, name: str) -> MaskPixels:
    """Take the values of an image of more than 8 bits. Pixels without a value have the value 0.

    Raises InputError for colours of more than 8 bits.
    """
    visible = None if samples.alpha is None else _more_opaque(samples.alpha)
    values, missing = samples.values, find_missing(samples)
    if missing is not None:
        values = values.copy()
        values[missing] = 0
    if values.ndim == 3 and np.ptp(values, axis=2).any():
        return MaskPixels(name, _color_codes(values, name, visible), is_color=True, visible=visible)
    values = _numbers(values if values.ndim == 2 else values[..., 0])
    return MaskPixels(name, values, inverted=samples.inverted, visible=visible)


def _color_codes(colors: NDArray[Any], name: str, visible: Region | None) -> NDArray[np.int32]:
    """Return colours as 0xrrggbb. Where opacity shows the object, rounded ones are good enough."""
    if colors.dtype == np.uint8:
        return _pack_colors(colors)
    if colors.dtype == np.uint16 and (visible is not None or not (colors % 257).any()):
        return _pack_colors((colors >> 8).astype(np.uint8))
    if visible is not None:
        return np.zeros(colors.shape[:2], np.int32)
    raise InputError(
        f"the mask {name} has colours of more than 8 bits: expected black and white, gray values, or"
        " colours of 8 bits"
    )


def find_array_region(array: NDArray[Any], values: Sequence[str] = ()) -> Region:
    """Find the region of an array [height, width]: what is not 0, or has one of the values.

    Raises InputError for three or more values, unless they are soft edges or shares.
    """
    pixels = MaskPixels("array", _numbers(array))
    if values:
        return choose_region(pixels, None, values)
    levels, _ = _count_values(pixels.values)
    if len(levels) > 2:
        return find_region(pixels)
    region: Region = pixels.values != 0
    return region


def find_region(pixels: MaskPixels) -> Region:
    """Find the bright or opaque region of a black-and-white mask.

    Raises InputError for an empty mask, and for a label map with its values.
    """
    shown = (
        replace(pixels, values=pixels.values.max() - pixels.values) if pixels.inverted else pixels
    )
    region = _opaque_region(shown) if shown.visible is not None else _plain_region(shown)
    if region is None:
        raise InputError(_many_values(pixels))
    if not region.any():
        raise InputError(
            f"the mask {pixels.name} has no bright region: expected white where the object is"
        )
    return region


def choose_region(pixels: MaskPixels, image: Image.Image | None, values: Sequence[str]) -> Region:
    """Find the pixels with one of the values. Raises InputError for a value that is not there.

    `image` gives the colours of values `#rrggbb`; an array has none.
    """
    region = np.zeros(pixels.values.shape, bool)
    for text in values:
        is_color = text.startswith("#")
        shown = _as_colors(pixels, image) if is_color else pixels
        chosen = shown.values == int(text.removeprefix("#"), 16 if is_color else 10)
        if shown.is_color != is_color or not chosen.any():
            raise InputError(
                f"the mask {pixels.name} has no pixel of the value {text}: its values are"
                f" {_list_values(shown)}"
            )
        region |= chosen
    return region


def _as_colors(pixels: MaskPixels, image: Image.Image | None) -> MaskPixels:
    if pixels.is_color or image is None:
        return pixels
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    codes = _pack_colors(np.asarray(rgb))
    return MaskPixels(pixels.name, codes, is_color=True)


# --- pixels ----------------------------------------------------------------------------------


def _bands(values: NDArray[Any]) -> Iterator[slice]:
    """Yield the rows of bands: temporary arrays of a mask of 196 megapixels stay small."""
    rows = max(_BAND_PIXELS // max(values.shape[1] if values.ndim > 1 else 1, 1), 1)
    for first in range(0, len(values), rows):
        yield slice(first, first + rows)


def _is_gray(colors: NDArray[np.uint8], spread: int) -> bool:
    """Return whether the channels of each pixel differ by at most `spread`."""
    return all(
        int((colors[band].max(axis=2) - colors[band].min(axis=2)).max(initial=0)) <= spread
        for band in _bands(colors)
    )


def _pack_colors(colors: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Return colours [height, width, 3] as 0xrrggbb."""
    codes = np.empty(colors.shape[:2], np.int32)
    for band in _bands(colors):
        codes[band] = colors[band].astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    return codes


def _visible(image: Image.Image) -> Region | None:
    """Return which pixels are more than half as opaque as the most opaque one."""
    alpha = image if "A" in image.getbands() else image.convert("RGBA")
    return _more_opaque(np.asarray(alpha.getchannel("A")))


def _more_opaque(opacity: NDArray[Any]) -> Region | None:
    visible: Region = opacity > int(opacity.max()) // 2
    return None if visible.all() else visible


def _palette_shades(image: Image.Image) -> NDArray[np.int32] | None:
    """Return the gray level of each entry of a palette, -1 for a colour."""
    palette = image.getpalette("RGB")
    if palette is None:
        return None
    entries = np.zeros((256, 3), np.int32)
    entries[: len(palette) // 3] = np.array(palette).reshape(-1, 3)
    return np.where(np.ptp(entries, axis=1) == 0, entries[:, 0], -1)


def _numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Return numbers in the byte order of the machine, 0 for NaN."""
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind == "f":
        return np.nan_to_num(values.astype(np.float64))
    return values.astype(values.dtype.newbyteorder("="))


# --- black and white, or a label map ---------------------------------------------------------


def _plain_region(pixels: MaskPixels) -> Region | None:
    """Return the region of an opaque mask, or None for a label map."""
    if pixels.is_color:
        return _colored_region(pixels.values, is_lossy=pixels.is_lossy)
    if pixels.is_palette:
        gray = None if pixels.gray is None else bright_region(pixels.gray)
        return _index_region(pixels.values) if gray is None else gray
    return bright_region(pixels.values, is_lossy=pixels.is_lossy)


def _opaque_region(pixels: MaskPixels) -> Region | None:
    """Return the region of a mask with transparent pixels: the bright part of what is visible.

    A cut-out of one colour or of a photograph shows the object by its transparency alone.
    """
    visible = pixels.visible
    assert visible is not None  # noqa: S101 - the caller checks for transparency
    levels, _ = _count_values(pixels.values[visible])
    if len(levels) <= 1:
        return visible
    hidden = np.where(visible, pixels.values, np.zeros_like(pixels.values))
    gray = None if pixels.gray is None else np.where(visible, pixels.gray, 0)
    region = _plain_region(
        MaskPixels(pixels.name, hidden, pixels.is_color, gray=gray, is_palette=pixels.is_palette)
    )
    if region is None and len(levels) > _MAX_COLORS // 2 and not pixels.is_palette:
        return visible
    return region


def _index_region(indices: NDArray[Any]) -> Region | None:
    levels, _ = _count_values(indices)
    if len(levels) == 1 or (len(levels) == 2 and levels[0] == 0):
        region: Region = indices != 0
        return region
    return None


def _colored_region(codes: NDArray[Any], *, is_lossy: bool) -> Region | None:
    """Return the pixels of the one colour on black, or None."""
    levels, _ = _count_values(codes)
    if len(levels) <= 2:
        region: Region = codes != 0
        return region if len(levels) == 1 or levels[0] == 0 else None
    brightest = np.empty(codes.shape, np.uint8)
    for band in _bands(codes):
        brightest[band] = np.maximum.reduce([codes[band] >> shift & 255 for shift in (16, 8, 0)])
    bright = bright_region(brightest, is_lossy=is_lossy)
    if bright is None:
        return None
    # A JPEG mixes the colours at an edge.
    inner = cv2.erode(bright.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    shades = codes[inner if inner.any() else bright]
    is_same = np.ones(shades.shape, bool)
    for shift in (16, 8, 0):
        channel = (shades >> shift & 255).astype(np.uint8)
        middle = float(np.median(channel))
        is_same &= (channel >= middle - _SAME_COLOR) & (channel <= middle + _SAME_COLOR)
    return bright if is_same.mean() >= _MIN_SAME_COLOR else None


def bright_region(values: NDArray[Any], *, is_lossy: bool = False) -> Region | None:
    """Return the bright pixels of gray levels [height, width], or None if they are a label map."""
    levels, _ = _count_values(values)
    low, top = float(levels[0]), float(levels[-1])
    if low < 0:
        return None
    if len(levels) > 2 or low > 0:
        is_scores = values.dtype.kind == "f" and bool((levels % 1).any())
        is_mask = len(levels) == 1 or is_scores or _is_soft(values, levels, is_lossy=is_lossy)
        if not is_mask:
            return None
    region: Region = values > top / 2
    return region


def _is_soft(values: NDArray[Any], levels: NDArray[Any], *, is_lossy: bool) -> bool:
    """Return whether three or more gray levels are black and white with soft edges or noise.

    In a label map, the values between the lowest and the highest fill areas. At a soft edge and in
    noise, neighbours differ.
    """
    low, top = float(levels[0]), float(levels[-1])
    span = top - low
    if span < _MIN_SPAN or low * 4 > top:
        return False
    area_levels, _ = _count_values(values[_find_areas(values, 3)])
    reach = span * _NOISE
    # Noise is around the bright pixels, too: the values 0, 1, 2, 3 and 255 are classes and a border.
    has_noise = len(area_levels) <= _MAX_AREA_SHARE * len(levels) and levels[-2] > low + reach
    reach = reach if is_lossy or has_noise else 0.0
    between = (values > low + reach) & (values < top - reach)
    if not between.any():
        return True
    if between.mean() > _MAX_BETWEEN:
        return False
    if is_lossy:
        areas = _find_areas(values, 3, span * _NOISE_IN_AREA)
        return bool((between & areas).mean() <= _MAX_LOSSY_AREA)
    return float(_find_areas(values, 2)[between].mean()) <= _MAX_FLAT_SHARE


def _find_areas(values: NDArray[Any], side: int, tolerance: float = 0.0) -> Region:
    """Return the pixels in squares of `side` pixels whose values differ by at most `tolerance`."""
    exact = values if values.dtype in (np.uint8, np.uint16) else values.astype(np.float64)
    kernel = np.ones((side, side), np.uint8)
    high, low = cv2.dilate(exact, kernel), cv2.erode(exact, kernel)
    is_center = (cv2.absdiff(high, low) <= tolerance).astype(np.uint8)
    # The anchor of a square of an even side is not its centre, so the way back is mirrored.
    back = (side - 1 - side // 2,) * 2
    found: Region = cv2.dilate(is_center, kernel, anchor=back) > 0
    return found


# --- messages --------------------------------------------------------------------------------


def _count_values(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the different values in ascending order, and how many pixels have each."""
    top = int(values.max()) if values.dtype.kind in "ui" and values.size else 0
    # Counting is faster than sorting. A small mask has no use for a count of each colour.
    if top < max(values.size, 1 << 16) and values.dtype.kind in "ui" and values.min(initial=0) >= 0:
        counts = np.zeros(top + 1, np.int64)
        for band in _bands(values):
            counts += np.bincount(values[band].reshape(-1), minlength=top + 1)
        levels = np.flatnonzero(counts)
        return levels, counts[levels]
    return np.unique(values, return_counts=True)


def _many_values(pixels: MaskPixels) -> str:
    levels, counts = _count_values(pixels.values)
    noun = "colour" if pixels.is_color else "value"
    found = f"the mask {pixels.name} has {count_noun(len(levels), noun)}"
    if pixels.is_color and len(levels) > _MAX_COLORS:
        return f"{found}, like a photograph: expected black and white"
    by_count = [levels[at] for at in np.argsort(-counts, kind="stable")]
    objects = [v for v in by_count if v != 0 and (v != _VOID or pixels.is_color)] or by_count
    whole = [value for value in objects if value >= 0 and float(value).is_integer()]
    if not whole:
        return f"{found}, {_list_values(pixels)}: expected black and white"
    first, *rest = (_format_value(value, pixels) for value in whole)
    several = f" (several: {pixels.name}:{first},{rest[0]})" if rest else ""
    return (
        f"{found}, {_list_values(pixels)}: expected black and white, or the value of a region, as in"
        f" {pixels.name}:{first}{several}"
    )


def _list_values(pixels: MaskPixels) -> str:
    """List the most frequent values with their pixels, in ascending order."""
    levels, counts = _count_values(pixels.values)
    shown = sorted(np.argsort(-counts, kind="stable")[:_MAX_LISTED_VALUES])
    listed = [f"{_format_value(levels[at], pixels)} ({counts[at]})" for at in shown]
    listed[0] = f"{listed[0][:-1]} pixel{'s' if counts[shown[0]] != 1 else ''})"
    more = len(levels) - len(shown)
    return ", ".join(listed) + (f" and {more} more" if more else "")


def _format_value(value: Any, pixels: MaskPixels) -> str:
    if pixels.is_color:
        return f"#{int(value):06x}"
    return str(int(value)) if float(value).is_integer() else f"{value:.10g}"
