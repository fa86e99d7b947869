"""An image with its marks, and the crop of `--zoom`."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from PIL import Image

from vipllava_cli.errors import InputError
from vipllava_cli.images.data_address import is_shortened
from vipllava_cli.images.fetch import read_bytes
from vipllava_cli.images.load import (
    Decoded,
    decode_values,
    fingerprint,
    read_header,
    read_orientation,
)
from vipllava_cli.images.lossy import remember_loss
from vipllava_cli.images.resized import SizeLimits, resize_within
from vipllava_cli.images.source import (
    CLIPBOARD,
    FIRST_FRAME,
    Source,
    display_name,
    parse_source,
    record_name,
)
from vipllava_cli.images.square import fit_to_model
from vipllava_cli.images.stretch import WINDOW_OPTION, kind_note
from vipllava_cli.images.window import Window
from vipllava_cli.marks.draw import draw
from vipllava_cli.marks.enlarged_regions import add_enlarged_regions
from vipllava_cli.marks.labels import draw_labels
from vipllava_cli.marks.reference_style import ReferenceStyle
from vipllava_cli.marks.types import Mark, shift_mark
from vipllava_cli.storage.files import STANDARD_INPUT
from vipllava_cli.storage.regular_files import is_stream

MAX_ANSWER_PIXELS = 2e8  # drawn for the marks of one answer: a few seconds


class ImageFile:
    """An encoded image, one frame of which is decoded on first use. Safe to use from several threads.

    `source` is its name as records hold it. `size` is the upright width and height, from the header.
    `frames` counts its frames or pages. `fingerprint` is a hash of the bytes and the frame. `window` is
    the range of values to show of an image of more than 8 bits, and `kind` the type of its values.
    """

    def __init__(self, source: Source, data: bytes, window: Window | None = None) -> None:
        self.source = record_name(str(source))
        self.data = data
        self.chosen_frame = source.frame
        self.window = window
        self._frame = source.frame or FIRST_FRAME
        # Not `cached_property`: in Python 3.11 it has one lock for all images, and decodes one at a time.
        self._lock = Lock()
        self._decoded: Decoded | None = None
        self.fingerprint = fingerprint(data, self._frame)
        header = read_header(data, display_name(source.location), self._frame)
        self.size, self.frames, self.kind = header.size, header.frames, header.kind
        self._bands_note = header.bands_note

    @property
    def image(self) -> Image.Image:
        """The upright RGB image. Raises InputError."""
        return self._decode().image

    def _decode(self) -> Decoded:
        with self._lock:
            if self._decoded is None:
                name = display_name(self.source)
                self._decoded = decode_values(
                    self.data, name, frame=self._frame, window=self.window
                )
            return self._decoded

    def with_window(self, window: Window | None) -> "ImageFile":
        """Return the image with another range of values."""
        source = replace(parse_source(self.source), frame=self.chosen_frame)
        return self if window == self.window else ImageFile(source, self.data, window)

    def kind_note(self) -> str:
        """Return a note about the type of the values, without decoding. Empty for 8 bits."""
        return self._with_bands(kind_note(self.kind, self.window))

    def value_note(self, choice: str = WINDOW_OPTION) -> str:
        """Return a note about the values and how they are shown. Empty for 8 bits. Decodes.

        `choice` is what the user can give to choose a range. Raises InputError.
        """
        stretched = self._decode().stretch
        if stretched is None:
            return self.kind_note()
        return self._with_bands(stretched.note(choice))

    def _with_bands(self, note: str) -> str:
        return "; ".join(filter(None, (self._bands_note, note)))

    def read_orientation(self) -> int:
        """Read the EXIF orientation, 1 to 8, from the header."""
        return read_orientation(self.data, display_name(self.source))

    def frame_note(self, choice: str) -> str:
        """Return a note if nobody chose one of several frames, else empty text.

        `choice` is what the user can give to choose one, with N for its number.
        """
        if self.frames == 1 or self.chosen_frame is not None:
            return ""
        return f"frame {FIRST_FRAME} of {self.frames}; {choice} chooses another"


def open_image(name: str, frame: int | None = None, window: Window | None = None) -> ImageFile:
    """Read the image with this name, without decoding it. `frame` is for a name without one.

    The name is one that `parse_source` reads. Raises InputError.
    """
    source = parse_source(name)
    if source.frame is None:
        source = replace(source, frame=frame)
    return ImageFile(source, read_bytes(source.location), window)


def check_kept(name: str) -> None:
    """Raise InputError if a record's image cannot be opened again, because no file held it."""
    if is_shortened(name):
        raise InputError(f"the image was in a data: address and was not kept ({name})")
    location = parse_source(name).location
    if location in (STANDARD_INPUT, CLIPBOARD) or is_stream(location):
        raise InputError(f"the image came from {display_name(location)} and was not kept")


@dataclass(frozen=True)
class MarkedImage:
    """An image file and the marks on it.

    `crop` is the part that the model sees: left, top, right, bottom in pixels. None is the full image.
    `style` is how the image refers to the marks. `size_limits` belong to a model that counts pixels
    of the resized image. An answer points at `answer_marks`. They are drawn with their labels, and for
    people only: the model does not see them.
    """

    file: ImageFile
    marks: tuple[Mark, ...] = ()
    numbers: bool = False
    crop: tuple[int, int, int, int] | None = None
    style: ReferenceStyle = ReferenceStyle.drawn
    size_limits: SizeLimits | None = None
    answer_marks: tuple[Mark, ...] = ()

    @property
    def shown_size(self) -> tuple[int, int]:
        """The width and height of the image, or of its crop."""
        if self.crop is None:
            return self.file.size
        return self.crop[2] - self.crop[0], self.crop[3] - self.crop[1]

    @property
    def shown_marks(self) -> tuple[Mark, ...]:
        """The marks in pixels of the image, or of its crop."""
        if self.crop is None:
            return self.marks
        return tuple(shift_mark(mark, -self.crop[0], -self.crop[1]) for mark in self.marks)

    def drawn(self) -> Image.Image:
        """Draw the marks on the image, or on its crop, for a person. Raises InputError.

        In the style `crop`, the regions are enlarged beside the image.
        """
        image, marks = self._shown(), self.shown_marks
        are_inside = self.style is ReferenceStyle.numbered
        drawn = draw(image, marks, numbers=self.numbers, numbers_inside=are_inside)
        drawn = draw_answer_marks(drawn, self.answer_marks, self.crop)
        if self.style is not ReferenceStyle.crop:
            return drawn
        return add_enlarged_regions(drawn, image, marks, numbers=self.numbers)

    def for_model(self, *, is_padded: bool = True) -> Image.Image:
        """Return the image that the model receives, a square if `is_padded`. Raises InputError."""
        plain = replace(self, answer_marks=())
        shown = plain.drawn() if self.style.draws_marks else self._shown().convert("RGB")
        sent = fit_to_model(shown, is_padded=is_padded)
        sent = resize_within(sent, self.size_limits) if self.size_limits else sent
        return remember_loss(sent, self.file.data)

    def _shown(self) -> Image.Image:
        image = self.file.image
        return image if self.crop is None else image.crop(self.crop)


def draw_answer_marks(
    image: Image.Image,
    marks: Sequence[Mark],
    crop: tuple[int, int, int, int] | None = None,
) -> Image.Image:
    """Draw the marks that an answer points at, with their labels, on an image or on its crop."""
    if not marks:
        return image
    if crop is not None:
        marks = [shift_mark(mark, -crop[0], -crop[1]) for mark in marks]
    shown = list(_affordable(marks))
    drawn = draw(image, shown)
    draw_labels(drawn, shown)
    return drawn


def _affordable(marks: Iterable[Mark]) -> Iterator[Mark]:
    """Yield marks until their areas exceed MAX_ANSWER_PIXELS: an answer may contain a thousand boxes."""
    pixels = 0.0
    for mark in marks:
        left, top, right, bottom = mark.bounds
        pixels += (right - left) * (bottom - top)
        if pixels > MAX_ANSWER_PIXELS:
            return
        yield mark


def zoom_in(marked: MarkedImage) -> MarkedImage:
    """Crop to the marks and their context. An image without marks is not cropped."""
    marks = (*marked.marks, *marked.answer_marks)
    return replace(marked, crop=crop_around(marks, marked.file.size)) if marks else marked


def crop_around(marks: Sequence[Mark], size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return a crop around the marks: left, top, right, bottom in pixels.

    The context on each side is as wide as the longer side of the marks, and at least a tenth of the
    longer side of the image.
    """
    width, height = size
    lefts, tops, rights, bottoms = zip(*(mark.bounds for mark in marks), strict=True)
    left, top, right, bottom = min(lefts), min(tops), max(rights), max(bottoms)
    context = max(right - left, bottom - top, 0.1 * max(size))
    return (
        max(int(left - context), 0),
        max(int(top - context), 0),
        min(int(right + context) + 1, width),
        min(int(bottom + context) + 1, height),
    )
