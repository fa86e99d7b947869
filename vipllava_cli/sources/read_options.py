"""The options of `vipllava batch` that say how to read a source."""

import io
from dataclasses import dataclass

from vipllava_cli.errors import UsageError
from vipllava_cli.marks.shape_table import Units

_SAMPLE = b"{-\xff."  # bytes for which any codec of text has characters or replacements


@dataclass(frozen=True)
class ReadOptions:
    """How to read a source. Raises UsageError for an unknown encoding.

    `image_folders` contain the images that the source names. `encoding` is that of its text files;
    without one, they are UTF-8, or UTF-16 with a byte-order mark. `coco` is a COCO file that names the
    images and categories of COCO results. `units` is that of coordinates whose file does not name it.
    """

    image_folders: tuple[str, ...] = ()
    encoding: str | None = None
    coco: str | None = None
    units: Units = Units.px

    def __post_init__(self) -> None:
        if self.encoding is None:
            return
        try:
            io.TextIOWrapper(io.BytesIO(), self.encoding)  # fails for codecs that are no text
            _SAMPLE.decode(self.encoding, "replace")  # fails for codecs of host names
        except (LookupError, ValueError):
            raise UsageError(
                f"--encoding {self.encoding!r} is unknown: expected a name like gbk, cp1252 or utf-16"
            ) from None


DEFAULT_OPTIONS = ReadOptions()
