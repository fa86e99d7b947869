"""A square image as a data URL. All servers take PNG and JPEG, and some take nothing else."""

import base64
import io
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from vipllava_cli.images.lossy import is_lossy, remember_loss

MAX_BYTES = 3 << 20  # 4 MiB in base64: several hosted models take at most 5 MB an image
SMALL_SIDE = 1024  # pixels, after a server has found an image too large
_MIN_JPEG_SIDE = 600  # pixels; a smaller PNG costs little, and loses nothing
_PNG = {"compress_level": 1}  # of a photograph: a quarter of the default's time, 4 % more bytes
_JPEG = {"quality": 95, "subsampling": 0}  # full chroma resolution keeps thin coloured lines sharp


@dataclass
class EncodedImage:
    """An image in the form in which requests hold it. Thread-safe."""

    data: bytes
    format: str
    side: int
    _small: "EncodedImage | None" = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, max_side: int | None = None) -> str:
        """Return the data URL, of at most `max_side` pixels a side."""
        if max_side is not None and self.side > max_side:
            return self._shrunk(max_side).url()
        text = base64.b64encode(self.data).decode()
        return f"data:image/{self.format.lower()};base64,{text}"

    def sent_side(self, max_side: int | None = None) -> int:
        """Return the side of the image behind `url`, in pixels."""
        return self.side if max_side is None else min(self.side, max_side)

    def _shrunk(self, side: int) -> "EncodedImage":
        with self._lock:
            if self._small is None:
                image = Image.open(io.BytesIO(self.data)).convert("RGB")
                small = image.resize((side, side), Image.Resampling.LANCZOS)
                self._small = encode(remember_loss(small, self.data))
            return self._small


class _TooLargeError(Exception):
    """The encoded image has more than MAX_BYTES."""


class _LimitedBytes(io.BytesIO):
    """A file that raises _TooLargeError above MAX_BYTES: the rest of an image is not encoded in vain."""

    def write(self, data: Any, /) -> int:
        if self.tell() + len(data) > MAX_BYTES:
            raise _TooLargeError
        return super().write(data)


def encode(image: Image.Image) -> EncodedImage:
    """Encode a square RGB image: as PNG, above MAX_BYTES as JPEG, and then at half the size.

    A large image that comes from a JPEG becomes a JPEG, in a tenth of the time.
    """
    is_jpeg = is_lossy(image) and image.width >= _MIN_JPEG_SIDE
    formats = (("JPEG", _JPEG),) if is_jpeg else (("PNG", _PNG), ("JPEG", _JPEG))
    while True:
        for format, options in formats:
            encoded = _LimitedBytes()
            with suppress(_TooLargeError):
                image.save(encoded, format, **options)
                return EncodedImage(encoded.getvalue(), format, image.width)
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
