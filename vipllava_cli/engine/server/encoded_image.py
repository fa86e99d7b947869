"""A square image as a data URL. All servers take PNG and JPEG, and some take nothing else."""

import base64
import io
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from PIL import Image

MAX_BYTES = 3 << 20  # 4 MiB in base64: several hosted models take at most 5 MB an image
SMALL_SIDE = 1024  # pixels, after a server has found an image too large
_OPTIONS: Mapping[str, Mapping[str, int]] = {
    "PNG": {
        "compress_level": 1
    },  # of a photograph: a quarter of the default's time, 4 % more bytes
    "JPEG": {"quality": 95, "subsampling": 0},  # full chroma keeps thin coloured lines sharp
}


@dataclass
class EncodedImage:
    """An image in the form in which requests hold it. Thread-safe."""

    data: bytes
    format: str
    side: int
    _small: "dict[int, EncodedImage]" = field(default_factory=dict)  # by the largest side
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, max_side: int | None = None) -> str:
        """Return the data URL. With `max_side`, of at most so many pixels a side, and of fewer bytes."""
        if max_side is not None:
            return self._shrunk(max_side).url()
        text = base64.b64encode(self.data).decode()
        return f"data:image/{self.format.lower()};base64,{text}"

    def sent_side(self, max_side: int | None = None) -> int:
        """Return the side of the image behind `url`, in pixels."""
        return self.side if max_side is None else min(self.side, max_side)

    def _shrunk(self, side: int) -> "EncodedImage":
        with self._lock:
            if side not in self._small:
                image = Image.open(io.BytesIO(self.data)).convert("RGB")
                if self.side > side:
                    image = image.resize((side, side), Image.Resampling.LANCZOS)
                forms = (_encode_as(format, image) for format in _OPTIONS)
                self._small[side] = min(forms, key=lambda form: len(form.data))
            return self._small[side]


def encode(image: Image.Image) -> EncodedImage:
    """Encode a square RGB image: as PNG, above MAX_BYTES as JPEG, and then at half the size."""
    while True:
        for format in _OPTIONS:
            encoded = _encode_as(format, image)
            if len(encoded.data) <= MAX_BYTES:
                return encoded
        image = image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def _encode_as(format: str, image: Image.Image) -> EncodedImage:
    encoded = io.BytesIO()
    image.save(encoded, format, **_OPTIONS[format])
    return EncodedImage(encoded.getvalue(), format, image.width)
