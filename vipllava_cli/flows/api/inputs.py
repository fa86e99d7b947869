"""Images and marks as a Python program gives them -> a marked image."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Sized
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from PIL import Image

from vipllava_cli.engine.options import GenerationOptions
from vipllava_cli.engine.prompts.choices import check_choices
from vipllava_cli.engine.prompts.references import DRAWN, Reference
from vipllava_cli.errors import InputError, UsageError, short_repr
from vipllava_cli.flows.api.checks import check_marks, check_path
from vipllava_cli.flows.numbering import with_numbers
from vipllava_cli.flows.referring import with_reference
from vipllava_cli.images.save import encode_in_memory
from vipllava_cli.images.source import Source
from vipllava_cli.images.window import Window, check_window
from vipllava_cli.marks.json_marks import mark_from_json
from vipllava_cli.marks.marked_image import ImageFile, MarkedImage, open_image, zoom_in
from vipllava_cli.marks.reference_style import WITHOUT_COORDINATES, ReferenceStyle
from vipllava_cli.marks.resolve import resolve_marks
from vipllava_cli.marks.shapes import Shape, to_json_value
from vipllava_cli.marks.types import MarkSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

ImageInput: TypeAlias = "str | os.PathLike[str] | Image.Image | NDArray[Any]"
MarkInput: TypeAlias = "Shape | Mapping[str, Any]"  # a mark, or its JSON form as in records

IN_MEMORY = "<image in memory>"  # the `image` of a record whose image has no path


def mark_image(
    image: ImageInput,
    marks: Sequence[MarkInput],
    *,
    numbers: bool,
    zoom: bool,
    window: Sequence[float] | None = None,
    reference: Reference = DRAWN,
) -> tuple[MarkedImage, tuple[str, ...]]:
    """Open an image and resolve its marks. Returns notes, too. Raises InputError."""
    file = open_input(image, window)
    # Decodes: a damaged image is an error of this call.
    value_note = file.value_note("window=(LOW, HIGH)")
    specs = [mark_spec(mark, file.size) for mark in check_marks(marks)]
    resolved = resolve_marks(specs, file.size, read_orientation=file.read_orientation)
    marked = with_reference(MarkedImage(file, resolved.marks, numbers), reference)
    frame_note = file.frame_note("#frame=N after the path")
    notes = tuple(filter(None, (frame_note, value_note, *resolved.notes)))
    return (zoom_in(marked) if zoom else marked), notes


def open_input(image: ImageInput, window: Sequence[float] | None = None) -> ImageFile:
    """Open a path or address, or encode an image in memory. Raises InputError, UsageError."""
    shown = read_window(window)
    if isinstance(image, str | os.PathLike):
        return open_image(check_path(image, "image"), window=shown)
    if isinstance(image, np.ndarray):
        image = _from_array(image)
    if not isinstance(image, Image.Image):
        raise InputError(
            f"expected a path, a PIL image or a numpy array as image, found {type(image).__name__}"
        )
    return ImageFile(Source(IN_MEMORY), encode_in_memory(image, "the image in memory"), shown)


def read_window(window: Any) -> Window | None:
    """Return the range of values to show, which may be NumPy numbers. Raises UsageError."""
    return None if window is None else check_window(to_json_value(window))


def _from_array(array: NDArray[Any]) -> Image.Image:
    is_grey, is_rgb = array.ndim == 2, array.ndim == 3 and array.shape[2] == 3
    dtype = array.dtype.newbyteorder("=")  # FITS and TIFF readers keep the byte order of the file
    is_deep = is_grey and dtype in _DEEP_TYPES
    if not is_deep and (array.dtype != np.uint8 or not (is_grey or is_rgb)):
        raise InputError(
            "expected an array uint8 [height, width, 3] in RGB, or uint8, uint16, int16, int32, float32"
            f" or float64 [height, width], found {array.dtype} {list(array.shape)}"
        )
    return Image.fromarray(array.astype(_DEEP_TYPES[dtype]) if is_deep else array)


# The types of arrays with more than 8 bits -> the nearest type of a Pillow image.
_DEEP_TYPES: Mapping[np.dtype[Any], type] = {
    np.dtype(np.uint16): np.uint16,
    np.dtype(np.int16): np.int32,
    np.dtype(np.int32): np.int32,
    np.dtype(np.float32): np.float32,
    np.dtype(np.float64): np.float32,
}


def mark_spec(mark: MarkInput, size: tuple[int, int]) -> MarkSpec:
    """Convert a mark for an image of `size` (width, height). Raises InputError."""
    return mark.to_spec(size) if isinstance(mark, Shape) else mark_from_json(to_json_value(mark))


def with_choices(options: GenerationOptions, choices: Any) -> GenerationOptions:
    """Add answers to choose from; without any, those of the options stay.

    Raises InputError, and UsageError beside a temperature.
    """
    given = options.choices if _is_nothing(choices) else choices
    if _is_nothing(given):
        return options
    if options.temperature > 0:
        raise UsageError("choices are scored, not sampled: remove the temperature")
    is_list = isinstance(given, Iterable) and not isinstance(given, str | Mapping)
    return replace(options, choices=check_choices(list(given) if is_list else given))


def _is_nothing(choices: Any) -> bool:
    return choices is None or (isinstance(choices, Sized) and len(choices) == 0)


def image_name(image: Any) -> str:
    """Return the `image` of a record: the path, or IN_MEMORY."""
    return str(image) if isinstance(image, str | os.PathLike) else IN_MEMORY


def draw(
    image: ImageInput,
    marks: Sequence[MarkInput],
    *,
    numbers: bool = False,
    zoom: bool = False,
    window: Sequence[float] | None = None,
    mark_style: str = ReferenceStyle.drawn.value,
) -> Image.Image:
    """Draw marks on an image, as `vipllava annotate` does. Returns a new RGB image.

    `window` is the range of values to show of an image of more than 8 bits, such as (0, 4095).
    `mark_style` is `drawn`, `numbered` or `crop`. Raises InputError for an image or a mark that cannot
    be used, and UsageError for a window or a style that makes no sense.
    """
    if mark_style not in WITHOUT_COORDINATES:
        raise UsageError(
            f"expected one of {', '.join(WITHOUT_COORDINATES)} as mark_style,"
            f" found {short_repr(mark_style)}"
        )
    reference = Reference(ReferenceStyle(mark_style))
    marked, _ = mark_image(
        image, marks, numbers=numbers, zoom=zoom, window=window, reference=reference
    )
    return with_numbers(marked)[0].drawn()
